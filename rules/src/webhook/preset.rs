//! Presets: providers as data. One YAML file a provider, in the form of [`RawPreset`]; whoever reads configurations reads
//! them as well, so that a preset is nothing that a user could not write under `scheme:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::RawScheme;

/// What is known of a provider.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPreset {
    /// What people call it.
    pub title: String,
    /// The tolerance that the provider itself names.
    pub tolerance: String,
    /// What a repetition is known by.
    pub replay: String,
    /// How this is known, from the best to the weakest.
    pub evidence: Vec<Evidence>,
    /// Where it is written.
    pub sources: Vec<String>,
    /// What to know before one relies on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
    /// How it signs.
    pub scheme: RawScheme,
}

/// How something is known of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The provider's own package agreed on signed requests.
    Package,
    /// A signature that the provider published was reproduced.
    Published,
    /// The provider's documentation or sample code was read.
    Documentation,
    /// Others' implementations only: try it before you rely on it.
    ThirdParty,
}

macro_rules! presets {
    ($($name:literal)*) => {
        /// Every preset: its name, by which `provider:` takes it, and its YAML text, in the order of the names.
        pub const PRESETS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("presets/", $name, ".yaml"))),)*
        ];
    };
}

presets! {
    "adyen_payments" "adyen_platform" "anthropic" "asana" "aws_sns" "bitbucket" "box" "braintree"
    "calendly" "clerk" "cloudflare_stream" "coinbase_commerce" "contentful" "dingtalk" "discord"
    "docusign" "dropbox" "elevenlabs" "figma" "github" "gitlab_signed" "gitlab_token" "google_oidc"
    "hubspot_v1" "hubspot_v2" "hubspot_v3" "intercom" "jira" "lark" "lemonsqueezy" "line" "linear"
    "livekit" "mailgun" "mandrill" "meta" "mux" "notion" "openai" "paddle" "pagerduty" "paypal"
    "plaid" "pusher" "qstash" "razorpay" "resend" "sanity" "sendgrid" "sentry" "shopify"
    "shopify_events" "slack" "square" "standard_webhooks" "standard_webhooks_asymmetric" "stripe"
    "svix" "teams_outgoing" "telegram" "telnyx" "trello" "twilio" "twilio_json" "twilio_sharedkey"
    "twitch" "typeform" "vercel" "viber" "webex" "woocommerce" "workos" "xero" "zendesk" "zoom"
}

/// The YAML text of the preset called `name`.
pub fn preset(name: &str) -> Option<&'static str> {
    let found = PRESETS.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
    PRESETS.get(found).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        assert!(PRESETS.is_sorted_by(|(one, _), (next, _)| one < next));
        for (name, text) in PRESETS {
            assert_eq!(preset(name), Some(*text));
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
        }
        assert_eq!(preset("nobody"), None);
    }
}
