//! Who is compared, and with which requests.

/// Which executable answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    /// The upstream itself, without TLS: what the load and the machine cost.
    Origin,
    /// A bare Pingora proxy, built with the workspace's release profile.
    Bare,
    /// The floor: the same, built with Cargo's default release profile.
    Floor,
    /// portcullis.
    Gateway,
    /// nginx, with JWT in Lua.
    Nginx,
    /// `HAProxy`, with JWT of its own.
    Haproxy,
    /// Envoy, which verifies every token anew.
    Envoy,
    /// Envoy with its cache of verified tokens.
    EnvoyCached,
    /// Caddy, which has no JWT.
    Caddy,
}

/// The name of portcullis in figures and flags.
pub(crate) const PORTCULLIS: &str = "portcullis";

impl Server {
    /// Everyone, in the order of the tables.
    pub(crate) const ALL: [Self; 9] = [
        Self::Gateway,
        Self::Floor,
        Self::Bare,
        Self::Haproxy,
        Self::Nginx,
        Self::Envoy,
        Self::EnvoyCached,
        Self::Caddy,
        Self::Origin,
    ];

    /// What figures, tables and flags call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Bare => "bare",
            Self::Floor => "floor",
            Self::Gateway => PORTCULLIS,
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::EnvoyCached => "envoy-cached",
            Self::Caddy => "caddy",
        }
    }

    /// What people call it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Origin => "the origin, without a proxy",
            Self::Bare => "bare Pingora, our profile",
            Self::Floor => "bare Pingora, default profile",
            Self::Gateway => "**portcullis**",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::EnvoyCached => "Envoy, JWT cache",
            Self::Caddy => "Caddy",
        }
    }

    /// Whether it is somebody else's product, and not a bare proxy.
    pub(crate) const fn is_peer(self) -> bool {
        matches!(self, Self::Nginx | Self::Haproxy | Self::Envoy | Self::EnvoyCached | Self::Caddy)
    }

    /// Whether it can do this at all.
    pub(crate) fn plays(self, scenario: &Scenario) -> bool {
        match self {
            Self::Gateway => true,
            // Its answers are not ours to refuse.
            Self::Origin => scenario.transport == Transport::Plain && scenario.ask != Ask::Chat,
            Self::Bare | Self::Floor | Self::Caddy => scenario.policy == Policy::None,
            Self::Nginx | Self::Haproxy | Self::Envoy => !scenario.ask.is_refused(),
            Self::EnvoyCached => !scenario.ask.is_refused() && scenario.policy != Policy::None,
        }
    }
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/1.1 over TLS 1.3.
    H1,
    /// HTTP/2 over TLS 1.3.
    H2,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Policy {
    /// It passes.
    None,
    /// JWT signed with a secret, CORS, a limit per address, an access log.
    Hs256,
    /// The same, signed with an RSA key of 2048 bits.
    Rs256,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A small GET with a good token.
    Get,
    /// A POST of 2 KB, as a chat client sends it.
    Chat,
    /// A GET that is answered with a stream of events.
    Events,
    /// A token whose signature is false.
    Forged,
    /// A token that was good once.
    Expired,
    /// One request more than are allowed.
    OverLimit,
}

impl Ask {
    /// Whether the answer is no.
    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Forged | Self::Expired | Self::OverLimit)
    }
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// What figures and flags call it.
    pub(crate) name: &'static str,
    /// How they come.
    pub(crate) transport: Transport,
    /// What is done with them.
    pub(crate) policy: Policy,
    /// What they are.
    pub(crate) ask: Ask,
}

const fn scenario(name: &'static str, transport: Transport, policy: Policy, ask: Ask) -> Scenario {
    Scenario { name, transport, policy, ask }
}

/// A GET without TLS.
pub(crate) const PLAIN_H1: Scenario = scenario("plain-h1", Transport::Plain, Policy::None, Ask::Get);
/// A GET over TLS.
pub(crate) const TLS_H1: Scenario = scenario("tls-h1", Transport::H1, Policy::None, Ask::Get);
/// A GET over TLS and HTTP/2.
pub(crate) const TLS_H2: Scenario = scenario("tls-h2", Transport::H2, Policy::None, Ask::Get);
/// A POST of 2 KB over TLS.
pub(crate) const CHAT_POST: Scenario = scenario("chat-post", Transport::H1, Policy::None, Ask::Chat);
/// The full policy with HS256.
pub(crate) const FULL_HS256: Scenario = scenario("full-hs256", Transport::H1, Policy::Hs256, Ask::Get);
/// The full policy with RS256.
pub(crate) const FULL_RS256: Scenario = scenario("full-rs256", Transport::H1, Policy::Rs256, Ask::Get);
/// The full policy with HS256, over HTTP/2.
pub(crate) const FULL_HS256_H2: Scenario = scenario("full-hs256-h2", Transport::H2, Policy::Hs256, Ask::Get);
/// The full policy with RS256, over HTTP/2.
pub(crate) const FULL_RS256_H2: Scenario = scenario("full-rs256-h2", Transport::H2, Policy::Rs256, Ask::Get);
/// A false signature of a secret.
pub(crate) const FORGED_HS256: Scenario = scenario("forged-hs256", Transport::H1, Policy::Hs256, Ask::Forged);
/// A false signature of an RSA key.
pub(crate) const FORGED_RS256: Scenario = scenario("forged-rs256", Transport::H1, Policy::Rs256, Ask::Forged);
/// A token that is over.
pub(crate) const EXPIRED: Scenario = scenario("expired", Transport::H1, Policy::Rs256, Ask::Expired);
/// A request over the limit.
pub(crate) const OVER_LIMIT: Scenario = scenario("over-limit", Transport::H1, Policy::Rs256, Ask::OverLimit);
/// A stream of events through the whole policy.
pub(crate) const EVENT_STREAM: Scenario = scenario("events", Transport::H1, Policy::Rs256, Ask::Events);

/// All of them, in the order of the tables.
pub(crate) const SCENARIOS: [Scenario; 13] = [
    PLAIN_H1,
    TLS_H1,
    TLS_H2,
    CHAT_POST,
    FULL_HS256,
    FULL_RS256,
    FULL_HS256_H2,
    FULL_RS256_H2,
    FORGED_HS256,
    FORGED_RS256,
    EXPIRED,
    OVER_LIMIT,
    EVENT_STREAM,
];

/// One who answers, and what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    /// Who answers.
    pub(crate) server: Server,
    /// What is asked.
    pub(crate) scenario: Scenario,
}
