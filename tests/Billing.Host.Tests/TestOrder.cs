[assembly: TestCollectionOrderer("Billing.Host.Tests.TestOrder", "Billing.Host.Tests")]

namespace Billing.Host.Tests;

public sealed class TestOrder() : LongestFirst(
    typeof(When_the_books_are_audited), typeof(When_servers_die), typeof(When_two_instances_write), typeof(When_webhooks_are_sent), typeof(When_an_invoice_is_late), typeof(When_books_are_imported),
    typeof(When_a_message_cannot_be_taken), typeof(When_reports_arrive));
