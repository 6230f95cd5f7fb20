using Hosting;

namespace Billing.Host.Tests;

public sealed class DocumentFontTests : IDisposable
{
    private static readonly byte[] Installed = DocumentFonts.Find(null, null).Regular ?? throw new FileNotFoundException("install fonts-dejavu-core");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fonts-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string Written(string name, byte[] content)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    [Fact]
    public void A_font_that_is_named_is_taken_and_its_own_letters_where_none_is_for_bold_type()
    {
        var path = Written("letters.ttf", Installed);
        Assert.Equal((Installed.Length, null), (DocumentFonts.Find(path, null).Regular!.Length, DocumentFonts.Find(path, null).Bold));
        Assert.Equal(Installed, DocumentFonts.Find(path, path).Bold);
    }

    [Theory, InlineData("missing"), InlineData("nowhere"), InlineData("a folder"), InlineData("text"), InlineData("short text"), InlineData("empty"), InlineData("cut off"), InlineData("a picture")]
    public void What_is_no_font_is_refused_by_its_name_for_either_face(string what)
    {
        var path = what switch
        {
            "missing" => Path.Combine(_folder.FullName, "missing.ttf"),
            "nowhere" => "",
            "a folder" => _folder.FullName,
            "text" => Written(what, [.. Enumerable.Repeat((byte)'x', 100_000)]),
            "short text" => Written(what, "INV"u8.ToArray()),
            "empty" => Written(what, []),
            "cut off" => Written(what, Installed[..(Installed.Length / 2)]),
            _ => Written(what, [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, 0, 0, 0, 13, .. "IHDR"u8, .. new byte[400]]),
        };
        foreach (var find in new[] { () => DocumentFonts.Find(path, null), () => DocumentFonts.Find(Written("letters.ttf", Installed), path) })
        {
            var refused = Assert.Throws<RefusedException>(find).Refusal;
            Assert.Equal("document_font_unreadable", refused.Code);
            Assert.Contains($"'{path}'", refused.Detail, StringComparison.Ordinal);
        }
    }
}
