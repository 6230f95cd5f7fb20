namespace Billing.Documents;

/// <summary>
/// The document on A4 pages, each with its number and how many there are. The text can be read back; the bytes are not canonical, for
/// the writer gives every file a random identity: what is proved is the JSON whose hash is printed.
/// </summary>
public static class PdfDocument
{
    private const double Tiny = 7, Small = 7.5, Body = 9, Leading = 12.5;
    private const double QuantityRight = 366, PriceRight = 458, DescriptionWidth = 222;
    private static readonly (byte, byte, byte) Ink = (28, 36, 48), Line = (214, 220, 228);

    /// <exception cref="CharacterNotInFontException">The font lacks a character of the document.</exception>
    public static byte[] Render(PrintedDocument d, PdfFaces faces)
    {
        using var pen = new PdfPen(faces, $"{d.Title} {d.Number}".TrimEnd());
        pen.NewPage();
        Stamp(pen, d);
        Head(pen, d);
        Parties(pen, d);
        if (!pen.Fits(4 * Leading)) NextPage(pen, d);
        TableHead(pen, d);
        foreach (var line in d.Lines) TableRow(pen, d, line);
        Sums(pen, d);
        foreach (var note in d.Notes) Note(pen, d, note);
        for (var i = 0; i < pen.Pages.Count; i++) Foot(pen, d, i);
        return pen.Build();
    }

    private static void Head(PdfPen pen, PrintedDocument d)
    {
        Dark(pen);
        pen.Text(d.Title, 20, PdfPen.Left, pen.Y - 14, bold: true);
        if (d.Number.Length > 0) pen.Text(d.Number, 11, PdfPen.Left, pen.Y - 31);
        var y = pen.Y - 8;
        foreach (var (text, i) in (d.Seller is { } s ? s.Lines.Prepend(s.Name) : []).SelectMany((l, n) => pen.Wrap(l, Body, 250, n == 0).Select(w => (w, n))))
        {
            Turn(pen, d, ref y);
            pen.TextRight(text, Body, PdfPen.Right, y, bold: i == 0);
            y -= Leading;
        }
        pen.Y = Math.Min(pen.Y - 40, y - 2);
        pen.Rule(pen.Y, 1.4, Ink);
        pen.Y -= 24;
    }

    private static void Parties(PdfPen pen, PrintedDocument d)
    {
        const double factsAt = 282;
        var valuesAt = factsAt + 8 + d.Facts.Max(f => pen.Width(f.Label, Body));
        var top = pen.Y;
        Turn(pen, d, ref top);
        var right = top;
        foreach (var fact in d.Facts)
        {
            // Ids are long and seldom read: smaller, they stay on one line.
            var size = fact.Value.Length > 30 ? Tiny : Body;
            foreach (var (text, i) in pen.Wrap(fact.Value, size, PdfPen.Right - valuesAt).Select((t, i) => (t, i)))
            {
                if (Turn(pen, d, ref right)) top = right;
                Grey(pen);
                if (i == 0) pen.Text(fact.Label, Body, factsAt, right);
                Dark(pen);
                pen.Text(text, size, valuesAt, right);
                right -= Leading;
            }
        }
        // Beside the facts, and after them: an address may be longer than the page.
        var y = top;
        Grey(pen);
        pen.Text(d.Language["BilledTo"].ToUpperInvariant(), Small, PdfPen.Left, y);
        Dark(pen);
        y -= Leading + 1;
        foreach (var (text, i) in d.Customer.Lines.Prepend(d.Customer.Name).SelectMany((l, n) => pen.Wrap(l, Body, factsAt - PdfPen.Left - 20, n == 0).Select(w => (w, n))))
        {
            if (Turn(pen, d, ref y)) right = y;
            pen.Text(text, Body, PdfPen.Left, y, bold: i == 0);
            y -= Leading;
        }
        pen.Y = Math.Min(y, right) - 16;
    }

    private static void TableHead(PdfPen pen, PrintedDocument d)
    {
        Grey(pen);
        pen.Text(d.Language["Description"], Small, PdfPen.Left, pen.Y);
        pen.TextRight(d.Language["Tokens"], Small, QuantityRight, pen.Y);
        pen.TextRight(d.Language["UnitPrice"], Small, PriceRight, pen.Y);
        pen.TextRight(d.Language.With("Amount", ("currency", d.Currency)), Small, PdfPen.Right, pen.Y);
        Dark(pen);
        pen.Rule(pen.Y - 5, 0.8, Ink);
        pen.Y -= 18;
    }

    private static void TableRow(PdfPen pen, PrintedDocument d, PrintedLine line)
    {
        var words = pen.Wrap(line.Description, Body, DescriptionWidth);
        if (!pen.Fits(words.Count * Leading + 8))
        {
            NextPage(pen, d);
            TableHead(pen, d);
        }
        pen.TextRight(line.Quantity, Body, QuantityRight, pen.Y);
        pen.TextRight(line.UnitPrice, Body, PriceRight, pen.Y);
        pen.TextRight(line.Amount, Body, PdfPen.Right, pen.Y);
        foreach (var text in words)
        {
            pen.Text(text, Body, PdfPen.Left, pen.Y);
            pen.Y -= Leading;
        }
        pen.Rule(pen.Y + 7, 0.4, Line);
        pen.Y -= 5;
    }

    private static void Sums(PdfPen pen, PrintedDocument d)
    {
        const double labelAt = 270, labelWidth = 190;
        if (!pen.Fits(d.Sums.Count * 2 * Leading + 30)) NextPage(pen, d);
        pen.Y -= 8;
        foreach (var sum in d.Sums)
        {
            var size = sum.IsTotal ? 12 : Body;
            if (sum.IsTotal)
            {
                pen.Rule(pen.Y + 8, 1.4, Ink, labelAt);
                pen.Y -= 7;
            }
            pen.TextRight(sum.IsTotal ? $"{sum.Amount} {d.Currency}" : sum.Amount, size, PdfPen.Right, pen.Y, sum.IsTotal);
            foreach (var text in pen.Wrap(sum.Label, size, labelWidth, sum.IsTotal))
            {
                pen.Text(text, size, labelAt, pen.Y, sum.IsTotal);
                pen.Y -= Leading + 2;
            }
        }
        pen.Y -= 22;
    }

    private static void Note(PdfPen pen, PrintedDocument d, PrintedNote note)
    {
        var size = note.IsProof ? Small : Body;
        var words = pen.Wrap(note.Value, size, PdfPen.Right - PdfPen.Left);
        if (!pen.Fits((Math.Min(words.Count, 4) + 1) * Leading)) NextPage(pen, d);
        Grey(pen);
        pen.Text(note.Label.ToUpperInvariant(), Small, PdfPen.Left, pen.Y);
        pen.Y -= Leading;
        foreach (var text in words)
        {
            if (!pen.Fits(Leading)) NextPage(pen, d);
            if (size > Small) Dark(pen);
            else Grey(pen);
            pen.Text(text, size, PdfPen.Left, pen.Y);
            pen.Y -= size + 3.5;
        }
        Dark(pen);
        pen.Y -= 10;
    }

    /// <summary>Goes on at the top of a new page where a line at <paramref name="y"/> would not fit.</summary>
    private static bool Turn(PdfPen pen, PrintedDocument d, ref double y)
    {
        if (y - Leading >= PdfPen.Bottom) return false;
        NextPage(pen, d);
        y = pen.Y;
        return true;
    }

    private static void NextPage(PdfPen pen, PrintedDocument d)
    {
        pen.NewPage();
        Stamp(pen, d);
        Grey(pen);
        pen.Text($"{d.Title} {d.Number}", Small, PdfPen.Left, pen.Y);
        Dark(pen);
        pen.Y -= 26;
    }

    private static void Foot(PdfPen pen, PrintedDocument d, int page)
    {
        var on = pen.Pages[page];
        Grey(pen, on);
        pen.Text(string.Join(", ", new[] { d.Seller?.Name, $"{d.Title} {d.Number}".TrimEnd() }.Where(t => t is not null)), Small, PdfPen.Left, 36, on: on);
        pen.TextRight(d.Language.With("Page", ("page", d.Language.Number(page + 1)), ("pages", d.Language.Number(pen.Pages.Count))), Small, PdfPen.Right, 36, on: on);
    }

    private static void Stamp(PdfPen pen, PrintedDocument d)
    {
        if (d.Stamp.Length == 0) return;
        pen.Colour(246, 222, 222);
        var size = 96 * Math.Min(1, (PdfPen.Right - PdfPen.Left) / pen.Width(d.Stamp, 96, bold: true));
        pen.Text(d.Stamp, size, (PdfPen.Left + PdfPen.Right - pen.Width(d.Stamp, size, bold: true)) / 2, 400, bold: true);
        Dark(pen);
    }

    private static void Dark(PdfPen pen, UglyToad.PdfPig.Writer.PdfPageBuilder? on = null) => pen.Colour(28, 36, 48, on);
    private static void Grey(PdfPen pen, UglyToad.PdfPig.Writer.PdfPageBuilder? on = null) => pen.Colour(91, 102, 117, on);
}
