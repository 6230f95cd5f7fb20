using System.ComponentModel.DataAnnotations;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hosting;

/// <summary>
/// The certificate that both ports show, from the files of <see cref="HttpOptions"/>. They are read again every minute, so that a certificate that is renewed in its
/// place is shown without a restart; while they cannot be read the last one is.
/// </summary>
public sealed class ServerCertificate
{
    private static readonly TimeSpan ReadEvery = TimeSpan.FromMinutes(1);

    private readonly HttpOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _shown;
    private long _readAt;

    /// <param name="time">by which they are read again; the machine's where none is given</param>
    /// <exception cref="CryptographicException">The files hold no certificate with its key, or the password is wrong.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    public ServerCertificate(HttpOptions options, TimeProvider? time = null)
    {
        (_options, _time, _shown) = (options, time ?? TimeProvider.System, Read(options));
        _readAt = _time.GetTimestamp();
    }

    /// <summary>What a new connection is shown.</summary>
    public SslStreamCertificateContext Current
    {
        get
        {
            lock (_gate)
            {
                if (_time.GetElapsedTime(_readAt) < ReadEvery) return _shown;
                _readAt = _time.GetTimestamp();
                try { _shown = Read(_options); }
                catch (Exception e) when (IsUnreadable(e)) { /* Half a renewal: the last one is still good. */ }
                return _shown;
            }
        }
    }

    internal static bool IsUnreadable(Exception e) => e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException;

    private static SslStreamCertificateContext Read(HttpOptions options)
    {
        if (options.CertificateKey is { Length: > 0 } key)
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(options.Certificate!);
            var leaf = options.CertificatePassword is { Length: > 0 } password
                ? X509Certificate2.CreateFromEncryptedPemFile(options.Certificate!, password, key)
                : X509Certificate2.CreateFromPemFile(options.Certificate!, key);
            return SslStreamCertificateContext.Create(leaf, chain, offline: true);
        }
        var all = X509CertificateLoader.LoadPkcs12CollectionFromFile(options.Certificate!, options.CertificatePassword);
        var own = all.FirstOrDefault(c => c.HasPrivateKey) ?? throw new CryptographicException("it holds no certificate with a private key");
        return SslStreamCertificateContext.Create(own, all, offline: true);
    }
}

/// <summary>Reads the certificate as the ports will, and says which file is at fault.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ServerCertificateAttribute : ValidationAttribute
{
    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext)
    {
        var options = (HttpOptions)validationContext.ObjectInstance;
        if (!options.HasCertificate) return string.IsNullOrEmpty(options.CertificateKey) ? ValidationResult.Success : new("Http__CertificateKey needs Http__Certificate, the PEM file that it is the key of");
        try
        {
            _ = new ServerCertificate(options);
            return ValidationResult.Success;
        }
        catch (Exception e) when (ServerCertificate.IsUnreadable(e))
        {
            return new($"Http__Certificate must be a PEM file, with its key in Http__CertificateKey, or a PFX file with its key: {e.Message.ReplaceLineEndings(" ")}");
        }
    }
}
