//! No key is parsed and then forgotten: for each one there is a test that fails without it.

use std::collections::BTreeSet;

use harness::{Site, Value};

/// Every key that a configuration can have, and the test, in this folder, that fails when it has no effect.
const TESTS: &[(&str, &str)] = &[
    ("version", "every_key_works::the_version_is_the_one_that_is_understood"),
    ("environment", "every_key_works::the_environment_decides_what_is_refused"),
    ("release", "log_tells_all::an_admitted_request_is_told_in_full"),
    ("listen.http.bind", "every_key_works::listeners_are_where_they_are_told_to_be"),
    ("listen.http.redirect", "refuses_unknown::plain_http_is_sent_to_https"),
    ("listen.http.plaintext", "refuses_unknown::plaintext_is_served_only_where_it_is_said"),
    ("listen.https.bind", "every_key_works::listeners_are_where_they_are_told_to_be"),
    ("listen.https.hosts", "refuses_unknown::an_unknown_host_is_misdirected"),
    ("listen.https.redirect_hosts", "refuses_unknown::a_redirect_host_is_sent_to_the_canonical_one"),
    ("listen.https.certificates[].cert", "refuses_unknown::each_name_gets_its_own_certificate"),
    ("listen.https.certificates[].key", "reload_and_broken_files::an_unreadable_certificate_is_named"),
    (
        "listen.https.certificates[].self_signed",
        "every_key_works::a_self_signed_certificate_has_the_names_that_are_written",
    ),
    ("listen.https.min_version", "every_key_works::min_version_turns_older_clients_away"),
    ("listen.https.client_ca", "mutual_tls::what_does_not_verify_fails_the_handshake"),
    ("listen.https.hsts.max_age", "every_key_works::every_part_of_strict_transport_security_is_written"),
    (
        "listen.https.hsts.include_subdomains",
        "every_key_works::every_part_of_strict_transport_security_is_written",
    ),
    ("listen.https.hsts.preload", "every_key_works::every_part_of_strict_transport_security_is_written"),
    ("listen.client_ip.trust", "headers_are_clean::a_trusted_peer_is_believed"),
    ("listen.limits.header_bytes", "slow_and_greedy_clients::a_large_header_is_a_431"),
    ("listen.limits.headers", "slow_and_greedy_clients::a_large_header_is_a_431"),
    ("listen.limits.header_timeout", "slow_and_greedy_clients::a_header_that_drips_is_cut_as_a_whole"),
    ("listen.limits.body_timeout", "slow_and_greedy_clients::a_body_that_stalls_is_a_408"),
    ("listen.limits.idle", "slow_and_greedy_clients::an_idle_connection_is_closed"),
    ("listen.limits.connections_per_ip", "slow_and_greedy_clients::one_address_gets_so_many_connections"),
    (
        "listen.limits.requests_per_connection",
        "slow_and_greedy_clients::one_http1_connection_gets_so_many_requests",
    ),
    ("listen.limits.h2_streams", "slow_and_greedy_clients::http2_streams_are_bounded"),
    ("listen.limits.buffered_bytes", "bodies_are_checked::held_bodies_have_a_ceiling"),
    ("admin.bind", "every_key_works::listeners_are_where_they_are_told_to_be"),
    ("state.store", "broken_files::every_broken_file_is_told_exactly"),
    ("state.path", "keys_by_url::a_restart_outlasts_an_issuer_that_is_down"),
    ("state.url.env", "counters_are_shared::the_address_comes_from_where_it_is_said"),
    ("state.url.file", "counters_are_shared::the_address_comes_from_where_it_is_said"),
    ("state.url.value", "counters_are_shared::the_address_comes_from_where_it_is_said"),
    ("state.ca", "counters_are_shared::over_tls_the_authority_is_the_one_that_is_given"),
    ("state.timeout", "counters_are_shared::a_request_waits_as_long_as_it_is_told"),
    ("state.on_failure", "counters_are_shared::each_does_what_it_says_while_the_server_is_away"),
    ("state.keys", "every_key_works::so_many_counters_are_kept_as_said"),
    ("secrets.*.env", "every_key_works::a_secret_comes_from_where_it_is_said"),
    ("secrets.*.file", "every_key_works::a_secret_comes_from_where_it_is_said"),
    ("secrets.*.value", "every_key_works::a_secret_comes_from_where_it_is_said"),
    ("upstreams.*.servers", "upstreams::servers_take_turns"),
    ("upstreams.*.balance", "every_upstream_key_works::the_least_busy_server_is_asked"),
    ("upstreams.*.inject", "headers_are_clean::injected_headers_replace_the_clients_own"),
    ("upstreams.*.tls.server_name", "upstreams::over_tls_with_an_authority_of_ones_own"),
    ("upstreams.*.tls.ca", "upstreams::over_tls_with_an_authority_of_ones_own"),
    ("upstreams.*.keepalive", "every_upstream_key_works::no_more_idle_connections_are_kept_than_said"),
    ("upstreams.*.retries", "every_upstream_key_works::a_request_is_tried_as_often_as_said"),
    ("identities.*.kind", "broken_files::every_broken_file_is_told_exactly"),
    (
        "identities.*.header",
        "api_keys::another_field_may_carry_it_and_the_backend_may_want_a_key_of_its_own_there",
    ),
    ("identities.*.issuer", "admits_only_the_tenant::everyone_else_is_refused"),
    ("identities.*.audience", "admits_only_the_tenant::everyone_else_is_refused"),
    ("identities.*.algorithms", "admits_only_the_tenant::one_key_set_serves_several_families"),
    ("identities.*.keys.secret", "admits_only_the_tenant::every_hmac_is_verified"),
    ("identities.*.keys.pem", "admits_only_the_tenant::every_algorithm_is_verified_and_only_the_listed_ones"),
    ("identities.*.keys.file", "admits_only_the_tenant::one_key_set_serves_several_families"),
    ("identities.*.keys.url", "keys_by_url::keys_are_there_before_the_first_request"),
    ("identities.*.keys.discover", "keys_by_url::the_issuer_says_where_its_keys_are"),
    ("identities.*.keys.refresh", "keys_by_url::a_withdrawn_key_admits_nobody_after_the_next_refresh"),
    ("identities.*.keys.stale_for", "keys_by_url::keys_that_nobody_confirms_lapse"),
    ("identities.*.token_from", "tokens_have_one_place::each_place_is_looked_at"),
    ("identities.*.typ", "token_attacks::a_pinned_type_admits_no_other_token_of_the_issuer"),
    ("identities.*.revoked.file", "revoked_tokens_end::a_remembered_token_ends_when_the_list_names_it"),
    ("identities.*.leeway", "every_key_works::leeway_is_for_clocks_that_are_off"),
    ("identities.*.claims", "admits_only_the_tenant::ones_own_tenant_is_admitted_and_named_to_the_backend"),
    ("identities.*.url", "forward_auth::whom_the_service_knows_is_admitted_and_named_to_the_backend"),
    ("identities.*.send", "forward_auth::the_question_is_what_it_says_and_nothing_of_the_clients_own"),
    ("identities.*.copy", "forward_auth::whom_the_service_knows_is_admitted_and_named_to_the_backend"),
    ("identities.*.timeout", "forward_auth::the_service_may_take_as_long_as_it_is_given"),
    ("identities.*.cache", "forward_auth::an_answer_is_used_again_for_the_same_question_only"),
    ("identities.*.forward", "admits_only_the_tenant::ones_own_tenant_is_admitted_and_named_to_the_backend"),
    ("limits.*.per", "limits_hold::what_a_limit_says_is_what_is_counted"),
    ("limits.*.each", "limits_hold::what_a_limit_says_is_what_is_counted"),
    ("limits.*.allow", "limits_hold::the_checklists_numbers_are_kept_to_the_letter"),
    ("limits.*.burst", "limits_hold::what_a_limit_says_is_what_is_counted"),
    ("limits.*.concurrent", "requests_in_progress::streams_count_for_as_long_as_they_last"),
    ("limits.*.lock.after", "limits_hold::failures_lock_for_a_growing_time"),
    ("limits.*.lock.for", "limits_hold::failures_lock_for_a_growing_time"),
    ("limits.*.announce", "limits_hold::what_is_left_is_announced_where_that_is_wanted"),
    ("limits.*.ipv6_prefix", "limits_hold::what_a_limit_says_is_what_is_counted"),
    ("lists.*.kind", "every_rule_key_works::a_kind_is_needed_where_the_entries_do_not_tell"),
    ("lists.*.items", "every_rule_key_works::a_list_is_of_the_kind_that_it_says"),
    ("lists.*.file", "every_rule_key_works::a_list_is_of_the_kind_that_it_says"),
    ("geo", "every_rule_key_works::databases_say_where_a_client_is"),
    ("rules[].name", "rules_decide::the_reference_rules_do_what_they_say"),
    ("rules[].group", "every_rule_key_works::a_skip_leaves_out_what_it_says"),
    ("rules[].when", "rules_decide::the_reference_rules_do_what_they_say"),
    ("rules[].action", "rules_decide::the_reference_rules_do_what_they_say"),
    ("rules[].mode", "rules_decide::who_only_observes_refuses_nobody"),
    ("rules[].status", "rules_decide::the_operators_own_words_are_what_is_read"),
    ("rules[].body", "rules_decide::the_operators_own_words_are_what_is_read"),
    ("rules[].content_type", "rules_decide::the_operators_own_words_are_what_is_read"),
    ("rules[].groups", "every_rule_key_works::a_skip_leaves_out_what_it_says"),
    ("rules[].rest", "every_rule_key_works::a_skip_leaves_out_what_it_says"),
    ("rules[].to", "rules_decide::the_reference_rules_do_what_they_say"),
    ("rules[].to_expression", "every_rule_key_works::a_redirect_leads_where_its_expression_says"),
    ("rules[].keep_query", "rules_decide::offline_says_the_same_and_names_the_line"),
    ("rules[].path", "rules_decide::a_rewritten_address_is_the_one_that_is_judged_and_forwarded"),
    ("rules[].path_expression", "rules_decide::a_rewritten_address_is_the_one_that_is_judged_and_forwarded"),
    ("rules[].query", "rules_decide::a_rewritten_address_is_the_one_that_is_judged_and_forwarded"),
    ("rules[].query_expression", "every_rule_key_works::what_a_group_rewrites_only_later_groups_see"),
    ("rules[].request.set", "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay"),
    (
        "rules[].request.set_expression",
        "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay",
    ),
    ("rules[].request.remove", "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay"),
    ("rules[].response.set", "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay"),
    ("rules[].response.add", "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay"),
    ("rules[].response.set_expression", "every_rule_key_works::an_answers_header_may_be_made_of_the_request"),
    ("rules[].response.remove", "rules_decide::headers_are_changed_both_ways_and_the_gateways_own_stay"),
    ("rules[].per", "rules_decide::a_rule_counts_by_whatever_it_names"),
    ("rules[].allow", "rules_decide::a_rule_counts_by_whatever_it_names"),
    ("rules[].for", "every_rule_key_works::a_penalty_lasts_as_long_as_it_says"),
    ("rules[].count", "rules_decide::a_rule_counts_by_whatever_it_names"),
    ("defaults.upstream", "upstreams::over_http"),
    ("defaults.timeouts.connect", "every_upstream_key_works::a_connection_may_take_as_long_as_said"),
    ("defaults.timeouts.first_byte", "every_upstream_key_works::defaults_bound_an_answer_too"),
    ("defaults.timeouts.stream_idle", "every_upstream_key_works::defaults_bound_an_answer_too"),
    ("defaults.identity", "admits_only_the_tenant::everyone_else_is_refused"),
    ("defaults.tenant.place", "tenant_swap::defaults_may_name_a_place_in_full"),
    ("defaults.tenant.optional", "tenant_swap::defaults_may_name_a_place_in_full"),
    ("defaults.tenant[].place", "tenant_swap::defaults_may_name_a_place_in_full"),
    ("defaults.tenant[].optional", "tenant_swap::defaults_may_name_a_place_in_full"),
    ("defaults.require.roles", "every_key_works::what_defaults_require_holds_on_every_route"),
    ("defaults.require.scopes", "every_key_works::what_defaults_require_holds_on_every_route"),
    ("defaults.require.claims", "every_key_works::what_defaults_require_holds_on_every_route"),
    ("defaults.body.types", "bodies_are_checked::what_is_refused_did_not_arrive"),
    ("defaults.body.json_depth", "bodies_are_checked::what_is_refused_did_not_arrive"),
    ("defaults.body.json_keys", "bodies_are_checked::what_is_refused_did_not_arrive"),
    ("defaults.body.encodings", "every_key_works::defaults_say_which_codings_are_accepted"),
    ("defaults.require.signed_in_within", "every_key_works::who_signed_in_too_long_ago_is_refused"),
    ("defaults.body.schema", "bodies_are_checked::a_body_fits_its_schema"),
    ("defaults.body.max", "bodies_arrive_unchanged::too_large_a_body_does_not_arrive"),
    ("defaults.openapi", "openapi_holds::only_what_is_described_arrives"),
    ("defaults.cookies.secure", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("defaults.cookies.http_only", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("defaults.cookies.same_site", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("defaults.cookies.except.*.reason", "broken_files::every_broken_file_is_told_exactly"),
    ("defaults.cookies.except.*.secure", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("defaults.cookies.except.*.http_only", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("defaults.cookies.except.*.same_site", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    (
        "defaults.headers",
        "answers_protect_browsers::the_preset_is_on_every_answer_and_leaves_the_upstreams_own_word",
    ),
    ("defaults.limits", "limits_hold::limits_add_up_and_none_is_charged_when_one_refuses"),
    ("routes[].name", "log_tells_all::a_refused_request_is_told_with_its_reason"),
    ("routes[].match", "refuses_unknown::no_route_is_a_404_and_a_wrong_method_a_405"),
    ("routes[].public", "headers_are_clean::a_public_route_forwards_no_identity"),
    ("routes[].upstream", "every_upstream_key_works::a_route_may_have_an_upstream_of_its_own"),
    ("routes[].timeouts.connect", "every_upstream_key_works::a_connection_may_take_as_long_as_said"),
    (
        "routes[].timeouts.first_byte",
        "timeouts_hold::an_answer_that_does_not_begin_is_a_504_on_new_and_used_connections",
    ),
    ("routes[].timeouts.stream_idle", "timeouts_hold::a_tunnel_lives_by_what_goes_through_it"),
    ("routes[].websocket", "upgrade_skips_no_gate::a_websocket_echoes_with_a_token_and_only_then"),
    ("routes[].mode", "observe_refuses_nobody::a_route_that_observes_logs_what_it_would_have_refused"),
    ("routes[].relax", "cannot_be_open::an_open_configuration_does_not_load"),
    ("routes[].identity", "every_key_works::a_route_may_ask_for_another_identity"),
    ("routes[].tenant.place", "tenant_swap::an_optional_place_may_be_left_out_and_a_required_one_may_not"),
    ("routes[].tenant.optional", "tenant_swap::an_optional_place_may_be_left_out_and_a_required_one_may_not"),
    ("routes[].tenant[].place", "tenant_swap::each_place_is_one_that_is_looked_at"),
    (
        "routes[].tenant[].optional",
        "tenant_swap::an_optional_place_may_be_left_out_and_a_required_one_may_not",
    ),
    ("routes[].require.roles", "admits_only_the_tenant::roles_scopes_and_claims_are_required"),
    ("routes[].require.scopes", "admits_only_the_tenant::roles_scopes_and_claims_are_required"),
    ("routes[].require.claims", "admits_only_the_tenant::roles_scopes_and_claims_are_required"),
    ("routes[].body.types", "bodies_are_checked::what_is_refused_did_not_arrive"),
    ("routes[].body.json_depth", "bodies_are_checked::what_is_accepted_arrives_as_it_was_sent"),
    ("routes[].body.json_keys", "bodies_are_checked::what_is_accepted_arrives_as_it_was_sent"),
    ("routes[].body.encodings", "bodies_are_checked::what_is_accepted_arrives_as_it_was_sent"),
    ("routes[].require.signed_in_within", "every_key_works::who_signed_in_too_long_ago_is_refused"),
    ("routes[].body.schema", "bodies_are_checked::a_body_fits_its_schema"),
    ("routes[].body.max", "bodies_arrive_unchanged::too_large_a_body_does_not_arrive"),
    ("routes[].openapi", "openapi_holds::only_what_is_described_arrives"),
    ("routes[].cookies.secure", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("routes[].cookies.http_only", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("routes[].cookies.same_site", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("routes[].cookies.except.*.reason", "broken_files::every_broken_file_is_told_exactly"),
    ("routes[].cookies.except.*.secure", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("routes[].cookies.except.*.http_only", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    ("routes[].cookies.except.*.same_site", "answers_protect_browsers::the_upstreams_cookies_are_rewritten"),
    (
        "routes[].headers",
        "answers_protect_browsers::the_preset_is_on_every_answer_and_leaves_the_upstreams_own_word",
    ),
    ("defaults.cors.origins", "cross_site::preflights_are_answered_before_anybody_is_identified"),
    (
        "defaults.cors.credentials",
        "cross_site_answers::an_allowed_page_reads_every_answer_and_a_foreign_one_none",
    ),
    ("defaults.cors.methods", "cross_site::preflights_are_answered_before_anybody_is_identified"),
    ("defaults.cors.headers", "cross_site::preflights_are_answered_before_anybody_is_identified"),
    ("defaults.cors.expose", "cross_site_answers::the_upstreams_own_cors_is_replaced"),
    ("defaults.cors.max_age", "cross_site::preflights_are_answered_before_anybody_is_identified"),
    ("defaults.cors.private_network", "cross_site::preflights_are_answered_before_anybody_is_identified"),
    ("defaults.csrf", "cookie_sessions::what_changes_something_comes_from_a_page_of_ones_own"),
    ("routes[].cors.origins", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.credentials", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.methods", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.headers", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.expose", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.max_age", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].cors.private_network", "cross_site::a_route_has_rules_of_its_own"),
    ("routes[].csrf", "cookie_sessions::a_route_may_guard_itself_and_one_that_does_not_is_told"),
    ("routes[].limits", "limits_hold::the_checklists_numbers_are_kept_to_the_letter"),
    ("secrets.*.id", "webhook_keys::a_secret_is_named_by_its_id_and_bound_by_its_slot"),
    ("secrets.*.slot", "webhook_keys::a_secret_is_named_by_its_id_and_bound_by_its_slot"),
    ("secrets.*.until", "webhook_keys::a_secret_is_named_by_its_id_and_bound_by_its_slot"),
    ("secrets.*[].env", "webhook_keys::each_secret_of_a_rotation_comes_from_where_it_is_said"),
    ("secrets.*[].file", "webhook_keys::each_secret_of_a_rotation_comes_from_where_it_is_said"),
    ("secrets.*[].value", "webhook_keys::each_secret_of_a_rotation_comes_from_where_it_is_said"),
    ("secrets.*[].id", "webhook_keys::each_secret_of_a_rotation_comes_from_where_it_is_said"),
    ("secrets.*[].slot", "webhook_keys::a_secret_is_named_by_its_id_and_bound_by_its_slot"),
    ("secrets.*[].until", "webhook_keys::each_secret_of_a_rotation_comes_from_where_it_is_said"),
    ("webhooks[].name", "webhook_commands::the_log_names_webhook_event_and_key"),
    ("webhooks[].path", "webhook_commands::every_signed_line_passes_when_it_is_pasted"),
    ("webhooks[].provider", "webhook_commands::every_signed_line_passes_when_it_is_pasted"),
    ("webhooks[].secret", "webhook_commands::every_signed_line_passes_when_it_is_pasted"),
    ("webhooks[].scheme", "webhook_vectors::every_vector_ends_as_it_says"),
    ("webhooks[].public_keys[].public", "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end"),
    ("webhooks[].public_keys[].jwk", "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end"),
    (
        "webhooks[].public_keys[].encoding",
        "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end",
    ),
    ("webhooks[].public_keys[].id", "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end"),
    ("webhooks[].public_keys[].slot", "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end"),
    ("webhooks[].public_keys[].until", "webhook_keys::a_public_key_has_an_encoding_a_slot_an_id_and_an_end"),
    ("webhooks[].public_keys[].certificate", "webhook_vectors::every_vector_ends_as_it_says"),
    ("webhooks[].tolerance", "webhook_keys::tolerance_is_for_the_patient"),
    ("webhooks[].base_url", "webhook_keys::the_address_and_the_settings_are_what_is_signed"),
    ("webhooks[].settings.*.secret", "webhook_keys::the_address_and_the_settings_are_what_is_signed"),
    ("webhooks[].replay.keys", "webhook_keys::a_repetition_is_what_replay_says_for_as_long"),
    ("webhooks[].replay.ttl_s", "webhook_keys::a_repetition_is_what_replay_says_for_as_long"),
    ("webhooks[].on_duplicate", "webhook_keys::a_repetition_is_what_replay_says_for_as_long"),
    ("webhooks[].limits", "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own"),
    ("webhooks[].upstream", "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own"),
    ("webhooks[].mode", "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own"),
    ("webhooks[].max", "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own"),
    (
        "webhooks[].timeouts.connect",
        "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own",
    ),
    (
        "webhooks[].timeouts.first_byte",
        "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own",
    ),
    (
        "webhooks[].timeouts.stream_idle",
        "webhook_keys::a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own",
    ),
    ("logs.access.format", "broken_files::every_broken_file_is_told_exactly"),
    ("logs.access.to", "every_key_works::lines_go_to_the_file_that_is_named"),
    ("logs.access.headers", "log_tells_all::an_admitted_request_is_told_in_full"),
    ("logs.access.query", "log_tells_all::an_admitted_request_is_told_in_full"),
    ("logs.redact", "every_key_works::only_what_redact_lists_is_blotted_out"),
    ("mode", "observe_refuses_nobody::the_whole_file_can_observe_and_a_route_still_enforce"),
    ("tests[].as", "commands::test_says_which_expectation_failed_and_why"),
    ("tests[].origin", "cross_site::replay_and_tests_say_the_same"),
    ("tests[].send", "commands::test_says_which_expectation_failed_and_why"),
    ("tests[].headers", "every_key_works::a_test_sends_what_it_says"),
    ("tests[].body", "every_key_works::a_test_sends_what_it_says"),
    ("tests[].expect", "commands::test_says_which_expectation_failed_and_why"),
];

/// The keys below `node` that hold a value: `[]` stands for any item, `*` for any name.
fn keys(schema: &Value, node: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = node["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        let definition = &schema["$defs"][name];
        assert!(definition.is_object(), "{path}: {name} is not defined");
        return keys(schema, definition, path, found);
    }
    let before = found.len();
    for (name, value) in node["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        keys(schema, value, &path, found);
    }
    let inner = |value: &Value, step: &str, found: &mut BTreeSet<String>| {
        let mut below = BTreeSet::new();
        keys(schema, value, &format!("{path}{step}"), &mut below);
        // A list or map of plain values is one key.
        found.extend(below.into_iter().filter(|key| *key != format!("{path}{step}")));
    };
    if node["items"].is_object() {
        inner(&node["items"], "[]", found);
    }
    if node["additionalProperties"].is_object() {
        inner(&node["additionalProperties"], ".*", found);
    }
    for way in ["anyOf", "allOf", "oneOf"] {
        for value in node[way].as_array().into_iter().flatten() {
            inner(value, "", found);
        }
    }
    if found.len() == before {
        found.insert(path.to_owned());
    }
}

#[tokio::test]
async fn every_key_has_a_test_that_fails_without_it() {
    let schema = Site::new().run(&["schema"]).await.expect(0).json();
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    // The keys of a scheme are those of the vectors' 65 schemes, which are read as they stand there.
    let whole = "webhooks[].scheme";
    let inside = |key: &String| key.starts_with(whole);
    let known: BTreeSet<String> =
        known.into_iter().map(|key| if inside(&key) { whole.to_owned() } else { key }).collect();
    let listed: BTreeSet<String> = TESTS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(listed.len(), TESTS.len(), "a key is listed twice");
    let missing: Vec<_> = known.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "write a test that fails without each of these, and list it here: {missing:#?}"
    );
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(gone.is_empty(), "these are no keys of a configuration: {gone:#?}");
}

#[test]
fn every_listed_test_is_there() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("promises");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for (key, test) in TESTS {
        let (module, name) = test.split_once("::").expect(test);
        assert!(main.contains(&format!("\nmod {module};\n")), "{key}: main.rs has no module {module}");
        let source = std::fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
        let written = ["#[tokio::test]\nasync fn", "#[test]\nfn"]
            .iter()
            .any(|attribute| source.contains(&format!("\n{attribute} {name}()")));
        assert!(written, "{key}: there is no test {test}");
    }
}

#[test]
fn a_key_is_found_wherever_it_stands() {
    let schema = harness::json!({
        "$defs": {
            "Part": { "properties": { "a": { "type": "string" }, "b": { "$ref": "#/$defs/Words" } } },
            "Words": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        },
        "properties": {
            "one": { "anyOf": [{ "$ref": "#/$defs/Part" }, { "type": "null" }] },
            "list": { "items": { "$ref": "#/$defs/Part" } },
            "map": { "additionalProperties": { "$ref": "#/$defs/Part" } },
            "plain": { "additionalProperties": { "type": "string" } },
            "words": { "$ref": "#/$defs/Words" },
        },
    });
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    let expected = ["list[].a", "list[].b", "map.*.a", "map.*.b", "one.a", "one.b", "plain", "words"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
