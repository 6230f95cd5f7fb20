using System.Net;
using System.Text;

namespace Billing.Documents;

/// <summary>One self-contained page: no script, nothing fetched, prints on A4 and Letter with the head of the table on every page.</summary>
public static class HtmlDocument
{
    private const string Style = """
        @page { size: A4; margin: 18mm 16mm; }
        * { box-sizing: border-box; }
        body { font: 10pt/1.45 "DejaVu Sans", "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1c2430; margin: 0; background: #f2f4f7; }
        main { position: relative; background: #fff; max-width: 210mm; margin: 8mm auto; padding: 18mm 16mm; }
        header { display: flex; justify-content: space-between; gap: 12mm; border-bottom: 2px solid #1c2430; padding-bottom: 6mm; }
        h1 { font-size: 20pt; margin: 0; font-weight: 600; } header p { margin: 0; }
        h2 { font-size: 8pt; text-transform: uppercase; letter-spacing: .08em; color: #5b6675; margin: 0 0 1mm; font-weight: 600; }
        .parties { display: flex; justify-content: space-between; gap: 12mm; margin: 8mm 0; }
        .party p, .seller p { margin: 0; } .party p:first-of-type, .seller p:first-of-type { font-weight: 600; } .seller { text-align: right; }
        dl { display: grid; grid-template-columns: auto auto; gap: .6mm 6mm; margin: 0; } dt { color: #5b6675; } dd { margin: 0; overflow-wrap: anywhere; } dd.id { font-size: 8pt; align-self: center; }
        table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
        thead { display: table-header-group; } th { text-align: left; font-size: 8pt; color: #5b6675; border-bottom: 1px solid #1c2430; padding: 1.5mm 2mm; }
        td { border-bottom: 1px solid #dfe4ea; padding: 1.8mm 2mm; vertical-align: top; } tr { break-inside: avoid; }
        .n { text-align: right; white-space: nowrap; }
        .sums { width: 55%; margin: 4mm 0 8mm auto; break-inside: avoid; } .sums td { border: 0; padding: 1mm 2mm; }
        .sums .total td { border-top: 2px solid #1c2430; font-size: 12pt; font-weight: 700; padding-top: 2mm; }
        section { break-inside: avoid; margin-top: 5mm; } section p { margin: 0; white-space: pre-line; overflow-wrap: anywhere; } .proof p { font-size: 8pt; color: #5b6675; }
        .stamp { position: absolute; top: 90mm; left: 0; right: 0; text-align: center; font-size: 60pt; font-weight: 800; letter-spacing: .1em; color: rgb(192 32 32 / .14); transform: rotate(-24deg); pointer-events: none; }
        @media print { body { background: none; } main { margin: 0; padding: 0; max-width: none; } }
        """;

    public static string Render(PrintedDocument d)
    {
        var (html, say) = (new StringBuilder(), d.Language);
        html.Append("<!DOCTYPE html>\n<html lang=\"" + say.Code + "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n");
        html.Append($"<title>{E($"{d.Title} {d.Number}".TrimEnd())}</title>\n<style>\n{Style}\n</style>\n</head>\n<body>\n<main>\n");
        if (d.Stamp.Length > 0) html.Append($"<div class=\"stamp\">{E(d.Stamp)}</div>\n");
        html.Append($"<header>\n<div><h1>{E(d.Title)}</h1><p>{E(d.Number)}</p></div>\n");
        if (d.Seller is { } seller) html.Append($"<div class=\"seller\">{Party(seller)}</div>\n");
        html.Append($"</header>\n<div class=\"parties\">\n<div class=\"party\"><h2>{E(say["BilledTo"])}</h2>{Party(d.Customer)}</div>\n<dl>\n");
        foreach (var fact in d.Facts) html.Append($"<dt>{E(fact.Label)}</dt><dd{(fact.Value.Length > 30 ? " class=\"id\"" : "")}>{E(fact.Value)}</dd>\n");
        html.Append($"</dl>\n</div>\n<table>\n<thead><tr><th>{E(say["Description"])}</th><th class=\"n\">{E(say["Tokens"])}</th><th class=\"n\">{E(say["UnitPrice"])}</th><th class=\"n\">{E(say.With("Amount", ("currency", d.Currency)))}</th></tr></thead>\n<tbody>\n");
        foreach (var l in d.Lines)
            html.Append($"<tr><td>{E(l.Description)}</td><td class=\"n\">{E(l.Quantity)}</td><td class=\"n\">{E(l.UnitPrice)}</td><td class=\"n\">{E(l.Amount)}</td></tr>\n");
        html.Append("</tbody>\n</table>\n<table class=\"sums\"><tbody>\n");
        foreach (var sum in d.Sums) html.Append($"<tr{(sum.IsTotal ? " class=\"total\"" : "")}><td>{E(sum.Label)}</td><td class=\"n\">{E(sum.Amount)}{(sum.IsTotal ? $" {E(d.Currency)}" : "")}</td></tr>\n");
        html.Append("</tbody></table>\n");
        foreach (var note in d.Notes) html.Append($"<section{(note.IsProof ? " class=\"proof\"" : "")}><h2>{E(note.Label)}</h2><p>{E(note.Value)}</p></section>\n");
        return html.Append("</main>\n</body>\n</html>\n").ToString();
    }

    private static string Party(PrintedParty party) => string.Concat(party.Lines.Prepend(party.Name).Select(l => $"<p>{E(l)}</p>"));

    private static string E(string text) => WebUtility.HtmlEncode(text);
}
