using System.Text;
using Billing.Webhooks;

namespace Billing.Tests.Webhooks;

public sealed class WebhookSignatureTests
{
    // The example of the specification's libraries.
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Id = "msg_p5jXN8AQM9LWM0D4loKWxJek", Signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    private const long At = 1_614_265_330;
    private static readonly byte[] Body = Encoding.UTF8.GetBytes("""{"test": 2432232314}""");

    [Fact]
    public void It_is_the_one_that_the_specification_has() => Assert.Equal(Signature, WebhookSignature.Sign([Secret], Id, At, Body));

    [Fact]
    public void During_a_rotation_both_secrets_sign_and_either_is_enough()
    {
        var other = WebhookSignature.Secret(new byte[WebhookSignature.SecretBytes]);
        var both = WebhookSignature.Sign([other, Secret], Id, At, Body);
        Assert.Equal(2, both.Split(' ').Length);
        Assert.True(WebhookSignature.Verify(Secret, Id, At, Body, both));
        Assert.True(WebhookSignature.Verify(other, Id, At, Body, both));
        Assert.False(WebhookSignature.Verify(WebhookSignature.Secret([1, 2, 3]), Id, At, Body, both));
    }

    [Fact]
    public void Nothing_can_be_exchanged()
    {
        Assert.False(WebhookSignature.Verify(Secret, "msg_2", At, Body, Signature));
        Assert.False(WebhookSignature.Verify(Secret, Id, At + 1, Body, Signature));
        Assert.False(WebhookSignature.Verify(Secret, Id, At, Encoding.UTF8.GetBytes("""{"test": 2432232315}"""), Signature));
        Assert.False(WebhookSignature.Verify(Secret, Id, At, Body, ""));
        Assert.Throws<FormatException>(() => WebhookSignature.Sign(["secret"], Id, At, Body));
    }
}
