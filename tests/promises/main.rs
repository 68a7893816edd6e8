//! The promises, a file each. Every test drives the real executable on sockets of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken expectation is how a test says so"
)]

mod admits_only_the_tenant;
mod answers_protect_browsers;
mod api_keys;
mod bodies_are_checked;
mod bodies_arrive_unchanged;
mod broken_files;
mod browsers;
mod cannot_be_open;
mod cloudflare_rules;
mod commands;
mod cookie_sessions;
mod counters_are_shared;
mod counters_outlast_restarts;
mod cross_site;
mod cross_site_answers;
mod every_key_works;
mod every_rule_key_works;
mod every_upstream_key_works;
mod examples_hold;
mod forward_auth;
mod hands_over;
mod headers_are_clean;
mod house;
mod keys_by_url;
mod limits_hold;
mod log_tells_all;
mod malformed_requests;
mod memory_is_bounded;
mod mutual_tls;
mod mutual_tls_offline;
mod no_inert_key;
mod observe_refuses_nobody;
mod official_openai_sdk;
mod openapi_holds;
mod openid_provider;
mod redis_goes_away;
mod refuses_unknown;
mod reload_and_broken_files;
mod replay_equals_wire;
mod requests_in_progress;
mod revoked_tokens_end;
mod rules_decide;
mod signature_vectors;
mod slow_and_greedy_clients;
mod streams_flow;
mod swap_proves;
mod tenant_swap;
mod timeouts_hold;
mod token_attacks;
mod tokens_have_one_place;
mod upgrade_skips_no_gate;
mod upstreams;
mod webhook_commands;
mod webhook_gates;
mod webhook_keys;
mod webhook_replays;
mod webhook_sdks;
mod webhook_vectors;
