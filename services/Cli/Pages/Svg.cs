using System.Globalization;
using System.Net;
using System.Text;

namespace Cli.Pages;

/// <summary>
/// One inline drawing, some 440 units wide so that its text is readable both on a phone and beside another one. Colours are classes, set by the
/// page for light, dark and print.
/// </summary>
internal sealed class Svg(int width, int height, string title)
{
    private readonly StringBuilder _body = new();

    public int Width => width;
    public int Height => height;

    public void Rect(double x, double y, double w, double h, string css, string? tip = null) =>
        _body.Append(CultureInfo.InvariantCulture, $"""<rect x="{x:0.##}" y="{y:0.##}" width="{Math.Max(0, w):0.##}" height="{Math.Max(0, h):0.##}" class="{css}" rx="2">{Tip(tip)}</rect>""");

    public void Line(double x1, double y1, double x2, double y2, string css) =>
        _body.Append(CultureInfo.InvariantCulture, $"""<line x1="{x1:0.##}" y1="{y1:0.##}" x2="{x2:0.##}" y2="{y2:0.##}" class="{css}"/>""");

    public void Circle(double x, double y, double r, string css, string? tip = null) =>
        _body.Append(CultureInfo.InvariantCulture, $"""<circle cx="{x:0.##}" cy="{y:0.##}" r="{r:0.##}" class="{css}">{Tip(tip)}</circle>""");

    public void Path(IEnumerable<(double X, double Y)> points, string css)
    {
        _body.Append("<path d=\"");
        var command = 'M';
        foreach (var (x, y) in points)
        {
            _body.Append(CultureInfo.InvariantCulture, $"{command}{x:0.##} {y:0.##}");
            command = 'L';
        }
        _body.Append(CultureInfo.InvariantCulture, $"\" class=\"{css}\"/>");
    }

    /// <param name="anchor">start, middle or end</param>
    public void Text(double x, double y, string text, string anchor = "start", string css = "") =>
        _body.Append(CultureInfo.InvariantCulture, $"""<text x="{x:0.##}" y="{y:0.##}" text-anchor="{anchor}" class="{css}">{WebUtility.HtmlEncode(text)}</text>""");

    public override string ToString() =>
        $"""<svg viewBox="0 0 {width} {height}" role="img" aria-label="{WebUtility.HtmlEncode(title)}" xmlns="http://www.w3.org/2000/svg">{_body}</svg>""";

    private static string Tip(string? text) => text is null ? "" : $"<title>{WebUtility.HtmlEncode(text)}</title>";
}

/// <summary>An axis: from values to places, with round ticks.</summary>
internal sealed class Axis
{
    private readonly double _from, _to, _start, _end;
    private readonly bool _log;

    /// <param name="from">Value at <paramref name="start"/>.</param>
    /// <param name="log">Logarithmic; both ends above 0.</param>
    public Axis(double from, double to, double start, double end, bool log = false)
    {
        (_log, _start, _end) = (log, start, end);
        (_from, _to) = log ? (Math.Log(from), Math.Log(to)) : (from, to);
        if (_to <= _from) _to = _from + 1;
    }

    public double At(double value) => _start + ((_log ? Math.Log(value) : value) - _from) / (_to - _from) * (_end - _start);

    /// <summary>About so many round values within the axis.</summary>
    public IEnumerable<double> Ticks(int about)
    {
        if (_log)
        {
            for (var decade = (int)Math.Floor(_from / Math.Log(10)); decade <= _to / Math.Log(10) + 1; decade++)
                foreach (var m in new[] { 1.0, 3.0 })
                {
                    var value = m * Math.Pow(10, decade);
                    if (Math.Log(value) >= _from - 1e-9 && Math.Log(value) <= _to + 1e-9) yield return value;
                }
            yield break;
        }
        var raw = (_to - _from) / about;
        var unit = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        var step = unit * (raw / unit <= 1 ? 1 : raw / unit <= 2 ? 2 : raw / unit <= 5 ? 5 : 10);
        for (var n = Math.Ceiling(_from / step - 1e-9); n * step <= _to + 1e-9 * step; n++) yield return n * step;
    }
}
