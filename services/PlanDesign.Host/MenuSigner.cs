using System.Text;
using Microsoft.Extensions.Options;
using NSec.Cryptography;
using PlanDesign.Menus;

namespace PlanDesign.Host;

/// <summary>
/// Holds the key that menus are signed with: the configured seed, or outside Production one of its own that lives as long as the process.
/// Every signed menu carries its public key, so that a menu stays verifiable when the key is replaced.
/// </summary>
public sealed class MenuSigner : IDisposable
{
    private readonly Key? _key;

    public MenuSigner(IOptions<PlanDesignOptions> options, IHostEnvironment environment, ILogger<MenuSigner> log)
    {
        var seed = options.Value.SigningKey;
        if (seed.Length > 0)
        {
            _key = Key.Import(SignatureAlgorithm.Ed25519, Convert.FromHexString(seed), KeyBlobFormat.RawPrivateKey);
        }
        else if (environment.IsProduction())
        {
            log.LogWarning("there is no key to sign menus with, so none can be published: set PlanDesign__SigningKey to 64 hex digits (openssl rand -hex 32)");
        }
        else
        {
            _key = Key.Create(SignatureAlgorithm.Ed25519);
            log.LogInformation("menus are signed with a key made for this run: set PlanDesign__SigningKey to keep one");
        }
    }

    public bool CanSign => _key is not null;

    public MenuSignature Sign(MenuDocument document)
    {
        var key = _key ?? throw new InvalidOperationException("there is no key to sign with");
        var bytes = document.ToBytes();
        return new(
            MenuDocument.Form,
            Convert.ToBase64String(key.PublicKey.Export(KeyBlobFormat.RawPublicKey)),
            Convert.ToBase64String(SignatureAlgorithm.Ed25519.Sign(key, SignedMenu.Tagged(SignedMenu.DocumentTag, bytes))),
            Convert.ToBase64String(SignatureAlgorithm.Ed25519.Sign(key, SignedMenu.Tagged(SignedMenu.DigestsTag, Encoding.UTF8.GetBytes(SignedMenu.DigestsOf(bytes))))));
    }

    public void Dispose() => _key?.Dispose();
}
