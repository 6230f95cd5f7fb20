using System.Security.Cryptography;
using System.Text;
using Billing.Invoices;

namespace Billing.Tests.Invoices;

/// <summary>The text of a document is the same in any year, whatever Unicode has assigned by then.</summary>
public sealed class CanonicalJsonTests
{
    private static string Text(string text) => Encoding.UTF8.GetString(CanonicalJson.Write(json => json.WriteString("text", text)));

    /// <summary>Pinned before the list was our own: what was stored until then is written by it to the same bytes, whichever characters are in it.</summary>
    [Fact]
    public void Every_character_there_is_is_written_as_it_was_in_the_first_document()
    {
        var every = CanonicalJson.Write(json => json.WriteString("text", string.Concat(Enumerable.Range(0, 0x11_0000).Where(Rune.IsValid).Select(c => new Rune(c).ToString()))));
        Assert.Equal((12_795_097, "f5199e2c575ec0592e5fe9cd56dcd3f29d84d036035ca2c579fd6253e6e3b4be"), (every.Length, Convert.ToHexStringLower(SHA256.HashData(every))));
    }

    [Theory]
    [InlineData("Größe <&'+`/>", "Größe <&'+`/>")]
    [InlineData("東京 ₿ Ωé", "東京 ₿ Ωé")]
    [InlineData("\"\\\n\u007F\u00A0\u2028", "\\\"\\\\\\n\\u007F\\u00A0\\u2028")]
    [InlineData("\u20C1", "\\u20C1")]
    [InlineData("\U0001F600 x", "\\uD83D\\uDE00 x")]
    [InlineData("\uE000", "\\uE000")]
    public void Names_stay_readable_and_the_rest_is_escaped_in_one_way(string text, string written) => Assert.Equal($$"""{"text":"{{written}}"}""", Text(text));

    /// <summary>A runtime that knows more characters hands them on as they are.</summary>
    [Theory]
    [InlineData("\u20C1", "\\u20C1")]
    [InlineData("für 7 \u20C1 und \u0378, ₿\u058F", "für 7 \\u20C1 und \\u0378, ₿\u058F")]
    [InlineData("\U0001F600\U0010FFFF", "\\uD83D\\uDE00\\uDBFF\\uDFFF")]
    public void What_a_later_runtime_leaves_as_it_is_is_escaped_as_before(string raw, string written) =>
        Assert.Equal($$"""{"text":"{{written}}"}""", Encoding.UTF8.GetString(CanonicalJson.Write(json =>
        {
            json.WritePropertyName("text");
            json.WriteRawValue($"\"{raw}\"");
        })));
}
