//! `headers`: the response header fields that tell a browser what it may do with an answer (OWASP Secure Headers
//! Project; OWASP REST Security Cheat Sheet).

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{Gates, Ground, Policy, ReplyFields, ReplyGate, RouteFacts, Speaker, Standing};
use crate::problem::{Place, Problem};
use crate::view::View;

/// `headers:` as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawHeaders {
    /// For pages: not framed, not sniffed, no referrer, no other window, no device.
    Strict,
    /// For data that no browser should show: like `strict`, and nothing may be loaded or stored.
    Api,
    /// Nothing is added.
    None,
}

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

type Field = (HeaderName, HeaderValue);

/// What both presets have; `Cross-Origin-Resource-Policy` depends on the answer.
static COMMON: [Field; 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

static STRICT: [Field; 3] = [
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'")),
    // Every feature of the Permissions Policy registry that reaches for a device, a sensor, money or other pages.
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "accelerometer=(), autoplay=(), bluetooth=(), browsing-topics=(), camera=(), display-capture=(), \
             encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), \
             local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
             publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), web-share=(), \
             xr-spatial-tracking=()",
        ),
    ),
];

static API: [Field; 2] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The preset in force.
#[derive(Clone, Debug)]
pub struct Headers {
    preset: RawHeaders,
    place: Place,
}

impl Policy for Headers {
    const KEY: &'static str = "headers";
    type Raw = RawHeaders;

    fn settle(_: Option<&Self>, raw: &RawHeaders, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        Ok(Self { preset: *raw, place: ground.place.clone() })
    }

    fn stand(&self, _: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        let own: &'static [Field] = match self.preset {
            RawHeaders::Strict => &STRICT,
            RawHeaders::Api => &API,
            RawHeaders::None => return Ok(()),
        };
        let (policy, place) = (Self::KEY, self.place.clone());
        gates.reply.push(Standing { policy, place, gate: Arc::new(Preset { own }) });
        Ok(())
    }
}

struct Preset {
    own: &'static [Field],
}

impl ReplyGate for Preset {
    fn edit(&self, _: &View<'_>, _: Speaker, fields: &mut dyn ReplyFields) {
        // An upstream knows its pages better than a preset does: its own word stands.
        for (name, value) in COMMON.iter().chain(self.own) {
            if !fields.all().contains_key(name) {
                fields.set(name.clone(), value.clone());
            }
        }
        if !fields.all().contains_key(CORP) {
            let allowed = fields.all().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
            let value = if allowed { "cross-origin" } else { "same-origin" };
            fields.set(CORP, HeaderValue::from_static(value));
        }
    }
}
