using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Contracts.Clock.V1;
using Grpc.Core;

namespace Hosting.Tests;

public sealed class TlsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tls-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string In(string file) => Path.Combine(_folder.FullName, file);

    /// <summary>An authority of our own, and a certificate that it signed for this machine.</summary>
    private (X509Certificate2 Authority, X509Certificate2 Service) Issue()
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var serviceKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (from, until) = (TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var asking = new CertificateRequest("CN=Our authority", authorityKey, HashAlgorithmName.SHA256);
        asking.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var authority = asking.CreateSelfSigned(from, until);
        var signing = new CertificateRequest("CN=jars", serviceKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        signing.CertificateExtensions.Add(names.Build());
        using var signed = signing.Create(authority, from, until.AddHours(-1), [1, 2, 3]);
        var service = signed.CopyWithPrivateKey(serviceKey);
        File.WriteAllText(In("authority.pem"), authority.ExportCertificatePem());
        File.WriteAllText(In("service.pem"), service.ExportCertificatePem());
        File.WriteAllText(In("service.key"), serviceKey.ExportPkcs8PrivateKeyPem());
        File.WriteAllBytes(In("service.pfx"), service.Export(X509ContentType.Pfx, "secret"));
        return (authority, service);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Both_ports_speak_tls_to_whoever_trusts_the_authority(bool pem)
    {
        var (authority, service) = Issue();
        using var _ = authority;
        using var __ = service;
        await using var host = await TestHost.StartAsync((await Servers.CreateDatabaseAsync()).ConnectionString("billing"), (await Servers.CreateVirtualHostAsync()).ToString(), pem
            ? new() { ["Http:Certificate"] = In("service.pem"), ["Http:CertificateKey"] = In("service.key") }
            : new() { ["Http:Certificate"] = In("service.pfx"), ["Http:CertificatePassword"] = "secret" });
        Assert.Equal(("https", "https"), (host.App.Endpoints().Http.Scheme, host.App.Endpoints().Grpc.Scheme));

        using var trusting = host.Connect(authority: In("authority.pem"));
        Assert.False((await new Contracts.Clock.V1.BusinessClock.BusinessClockClient(trusting).GetAsync(new GetRequest())).Simulated);
        using var strange = host.Connect();
        Assert.Contains("SSL", (await Assert.ThrowsAsync<RpcException>(async () => await new Contracts.Clock.V1.BusinessClock.BusinessClockClient(strange).GetAsync(new GetRequest()))).Status.Detail, StringComparison.Ordinal);
        await Assert.ThrowsAsync<HttpRequestException>(() => host.Http.GetStringAsync(new Uri("/health/live", UriKind.Relative)));

        // The container's check asks this very service, and does not mind by which name it is known.
        await Eventually.True(async () => await HealthEndpoints.ProbeAsync(["--health", $"--Http:Port={host.App.Endpoints().Http.Port}", "--Http:Address=127.0.0.1", $"--Http:Certificate={In("service.pem")}"]) == 0, "the probe finds it ready");
    }

    [Theory]
    [InlineData("service.pem", "nothing.key", "Http__Certificate must be a PEM file")]
    [InlineData("nothing.pem", "service.key", "Http__Certificate must be a PEM file")]
    [InlineData("service.pfx", "", "Http__Certificate must be a PEM file")]
    [InlineData("", "service.key", "Http__CertificateKey needs Http__Certificate")]
    public async Task A_certificate_that_cannot_be_read_is_named_before_anything_listens(string certificate, string key, string said)
    {
        var (authority, service) = Issue();
        using var _ = authority;
        using var __ = service;
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => TestHost.StartAsync("Host=127.0.0.1;Port=1;Username=x", "amqp://127.0.0.1:1/", new()
        {
            ["Http:Certificate"] = certificate.Length > 0 ? In(certificate) : null, ["Http:CertificateKey"] = key.Length > 0 ? In(key) : null,
        }));
        Assert.Contains(said, refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_is_renewed_in_its_place_is_shown_within_a_minute_and_half_a_renewal_is_not()
    {
        var (authority, first) = Issue();
        authority.Dispose();
        using var _ = first;
        var minutes = new Minutes();
        var certificate = new ServerCertificate(new HttpOptions { Certificate = In("service.pem"), CertificateKey = In("service.key") }, minutes);
        (authority, var renewed) = Issue();
        authority.Dispose();
        using var __ = renewed;
        Assert.Equal(first.Thumbprint, certificate.Current.TargetCertificate.Thumbprint);
        minutes.Passed++;
        Assert.Equal(renewed.Thumbprint, certificate.Current.TargetCertificate.Thumbprint);

        File.WriteAllText(In("service.pem"), "half of");
        minutes.Passed++;
        Assert.Equal(renewed.Thumbprint, certificate.Current.TargetCertificate.Thumbprint);
    }

    private sealed class Minutes : TimeProvider
    {
        public int Passed { get; set; }

        public override long TimestampFrequency => 1;
        public override long GetTimestamp() => Passed * 60;
    }
}
