[assembly: TestCollectionOrderer("EndToEnd.Tests.TestOrder", "EndToEnd.Tests")]

namespace EndToEnd.Tests;

public sealed class TestOrder() : LongestFirst(
    typeof(When_everything_is_killed_at_random), typeof(When_billing_is_killed), typeof(When_the_demo_is_played), typeof(When_usage_is_benchmarked), typeof(When_the_market_moves),
    typeof(When_instances_are_killed_in_turn), typeof(When_a_watch_is_disturbed), typeof(When_keys_are_asked_for), typeof(When_services_start_in_any_order));
