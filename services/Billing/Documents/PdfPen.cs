using UglyToad.PdfPig.Content;
using UglyToad.PdfPig.Core;
using UglyToad.PdfPig.Fonts.Standard14Fonts;
using UglyToad.PdfPig.Writer;

namespace Billing.Documents;

/// <summary>The two faces a document is set in, as the bytes of TrueType files; null sets it in the Helvetica that every reader of PDF has.</summary>
public sealed record PdfFaces(byte[]? Regular, byte[]? Bold)
{
    public static PdfFaces Helvetica { get; } = new(null, null);

    /// <returns>why nothing can be set in these bytes; null where they are a TrueType font</returns>
    public static string? FaultOf(byte[] font)
    {
        using var pdf = new PdfDocumentBuilder();
        try
        {
            pdf.AddTrueTypeFont(font);
            return null;
        }
        // Whatever it stumbles over in a file that is something else.
        catch (Exception e)
        {
            return e.Message;
        }
    }
}

/// <summary>The text has a character that the font cannot show.</summary>
public sealed class CharacterNotInFontException(string text, Exception? inner = null) : Exception(
    $"the font of PDF documents cannot show all of \"{text}\": install a TrueType font that can (fonts-dejavu-core, say), or name one with Billing__DocumentFont", inner);

/// <summary>Writes on A4 from the top down, in points; a new page begins where the old one is full.</summary>
internal sealed class PdfPen : IDisposable
{
    public const double Left = 54, Right = 541, Top = 790, Bottom = 64;

    private readonly PdfDocumentBuilder _pdf = new();
    private readonly PdfDocumentBuilder.AddedFont _regular, _bold;
    private readonly List<PdfPageBuilder> _pages = [];

    public PdfPen(PdfFaces faces, string title)
    {
        _pdf.IncludeDocumentInformation = true;
        _pdf.DocumentInformation.Title = title;
        _pdf.DocumentInformation.Producer = "Billing";
        _regular = faces.Regular is { } regular ? _pdf.AddTrueTypeFont(regular) : _pdf.AddStandard14Font(Standard14Font.Helvetica);
        _bold = faces.Bold is { } bold ? _pdf.AddTrueTypeFont(bold) : faces.Regular is null ? _pdf.AddStandard14Font(Standard14Font.HelveticaBold) : _regular;
    }

    public double Y { get; set; }
    public IReadOnlyList<PdfPageBuilder> Pages => _pages;
    private PdfPageBuilder Page => _pages[^1];

    public void NewPage()
    {
        _pages.Add(_pdf.AddPage(PageSize.A4));
        Y = Top;
    }

    public bool Fits(double height) => Y - height >= Bottom;

    public byte[] Build() => _pdf.Build();

    public void Dispose() => _pdf.Dispose();

    public double Width(string text, double size, bool bold = false)
    {
        text = Shown(text);
        if (text.Length == 0) return 0;
        try
        {
            var letters = Page.MeasureText(text, size, new PdfPoint(0, 0), bold ? _bold : _regular);
            return letters[^1].EndBaseLine.X - letters[0].StartBaseLine.X;
        }
        catch (Exception e) when (e is InvalidOperationException or NotSupportedException or KeyNotFoundException)
        {
            throw new CharacterNotInFontException(text, e);
        }
    }

    public void Text(string text, double size, double x, double y, bool bold = false, PdfPageBuilder? on = null)
    {
        text = Shown(text);
        if (text.Length == 0) return;
        try
        {
            (on ?? Page).AddText(text, size, new PdfPoint(x, y), bold ? _bold : _regular);
        }
        catch (Exception e) when (e is InvalidOperationException or NotSupportedException or KeyNotFoundException)
        {
            throw new CharacterNotInFontException(text, e);
        }
    }

    public void TextRight(string text, double size, double right, double y, bool bold = false, PdfPageBuilder? on = null) => Text(text, size, right - Width(text, size, bold), y, bold, on);

    public void Rule(double y, double thickness, (byte R, byte G, byte B) colour, double from = Left, double to = Right)
    {
        Page.SetStrokeColor(colour.R, colour.G, colour.B);
        Page.DrawLine(new PdfPoint(from, y), new PdfPoint(to, y), thickness);
    }

    public void Colour(byte r, byte g, byte b, PdfPageBuilder? on = null) => (on ?? Page).SetTextAndFillColor(r, g, b);

    /// <summary>Broken at spaces, and within a word that is longer than a line.</summary>
    public IReadOnlyList<string> Wrap(string text, double size, double width, bool bold = false)
    {
        var lines = new List<string>();
        foreach (var paragraph in text.ReplaceLineEndings("\n").Split('\n').Select(Shown))
        {
            var line = "";
            foreach (var word in paragraph.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                var rest = word;
                if (line.Length > 0 && Width($"{line} {rest}", size, bold) <= width)
                {
                    line = $"{line} {rest}";
                    continue;
                }
                if (line.Length > 0) lines.Add(line);
                while (Width(rest, size, bold) > width)
                {
                    var fits = Enumerable.Range(1, rest.Length).TakeWhile(n => n == 1 || Width(rest[..n], size, bold) <= width).Last();
                    lines.Add(rest[..fits]);
                    rest = rest[fits..];
                }
                line = rest;
            }
            lines.Add(line);
        }
        return lines;
    }

    // No font has a glyph for what controls, and a final document says it for ever.
    private static string Shown(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;
}
