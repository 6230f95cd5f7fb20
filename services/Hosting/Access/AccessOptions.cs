using System.ComponentModel.DataAnnotations;

namespace Hosting;

/// <summary>Who is let in. Section "Access".</summary>
public sealed class AccessOptions
{
    public const string Section = "Access";
    internal const string Open = "Open", Asking = "Keys";

    /// <summary>Keys: every call needs an API key of the right scope. Open: nobody is asked. Default Open, except in Production, where it must be said.</summary>
    [RegularExpression("^(Open|Keys)?$", ErrorMessage = "Access__Mode must be Keys or Open")]
    public string Mode { get; init; } = "";

    /// <summary>Keys to begin with, each NAME:SCOPE[+SCOPE]:SHA256[:CUSTOMER]; `billing key create --offline` makes one. Others are registered while the service runs. Default none.</summary>
    [KeyEntries]
    public string[] Keys { get; init; } = [];

    /// <summary>Seconds (real time) until every instance knows of a key that was registered or revoked at another one. Default 2, at most 60.</summary>
    [Range(0.05, 60, ErrorMessage = "Access__RefreshSeconds must be from 0.05 to 60")]
    public double RefreshSeconds { get; init; } = 2;

    /// <summary>Whether /metrics is Open (default), or needs a key of the scope service (Keys), which Access__Mode=Keys checks.</summary>
    [RegularExpression("^(Open|Keys)$", ErrorMessage = "Access__Metrics must be Open or Keys")]
    public string Metrics { get; init; } = Open;

    internal bool AsksForKeys => Mode == Asking;

    internal bool MetricsNeedKey => Metrics == Asking;
}

/// <summary>Says which entry is wrong and why, never what it is.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class KeyEntriesAttribute : ValidationAttribute
{
    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext)
    {
        var entries = (string[])value!;
        for (var i = 0; i < entries.Length; i++)
        {
            try
            {
                AccessKey.Parse(entries[i]);
            }
            catch (FormatException e)
            {
                return new($"Access__Keys__{i} must be NAME:SCOPE[+SCOPE]:SHA256[:CUSTOMER], such as operator:admin: and the 64 hex digits of the key's SHA-256; {e.Message}");
            }
        }
        return ValidationResult.Success;
    }
}
