//! Who is compared, and with which request.

/// Which executable answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The upstream itself, without TLS: what the load and the machine cost.
    Origin,
    /// The floor.
    Bare,
    /// portcullis.
    Gateway,
}

/// Which token a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Token {
    /// Signed with a secret.
    Hs256,
    /// Signed with an RSA key of 2048 bits.
    Rs256,
}

/// One row of the table.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Who answers.
    pub(crate) server: Server,
    /// The request's path.
    pub(crate) path: &'static str,
    /// The request's token. All carry one, so that all have about the same bytes to move.
    pub(crate) token: Token,
}

/// Everyone, in the order of the turns. The first bare proxy is what the others are divided by.
pub(crate) const CONTENDERS: &[Contender] = &[
    bare("bare Pingora"),
    gateway("portcullis, public route", "/public/acme/conversations", Token::Rs256),
    gateway("portcullis, full policy, HS256", "/hs256/acme/conversations", Token::Hs256),
    gateway("portcullis, full policy, RS256", "/rs256/acme/conversations", Token::Rs256),
    bare("bare Pingora, once more"),
    Contender { name: "origin without a proxy", server: Server::Origin, ..bare("") },
];

const fn bare(name: &'static str) -> Contender {
    Contender { name, server: Server::Bare, path: "/rs256/acme/conversations", token: Token::Rs256 }
}

const fn gateway(name: &'static str, path: &'static str, token: Token) -> Contender {
    Contender { name, server: Server::Gateway, path, token }
}

impl Contender {
    /// The request's bytes: a small GET as an API client sends it.
    pub(crate) fn request(&self, token: &str) -> Vec<u8> {
        format!(
            "GET {}?page=2 HTTP/1.1\r\nhost: app.example.test\r\nuser-agent: bench/1\r\naccept: application/json\r\n\
             authorization: Bearer {token}\r\n\r\n",
            self.path
        )
        .into_bytes()
    }
}
