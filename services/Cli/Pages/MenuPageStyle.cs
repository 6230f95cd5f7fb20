namespace Cli.Pages;

/// <summary>Colours are variables: light by default and in print, dark where a screen asks for it. The plans' colours are told apart in both and by the colour-blind (Okabe and Ito).</summary>
internal static class MenuPageStyle
{
    public const string Css = """
        :root{--paper:#fff;--card:#f6f7f9;--ink:#16202c;--muted:#5b6775;--line:#dfe4ea;--axis:#8793a1;--other:#b9c4d0;--keep:#e3e9ef;--nobody:#eceff3;--on:#fff;
        --p0:#0b5fa5;--p1:#c75b12;--p2:#00795a;--p3:#8c4a86;--p4:#8a6d00;--p5:#3d7ea6;--warn:#fff6df;--warnline:#d9a400}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#11161d;--card:#1a212b;--ink:#e8edf3;--muted:#9aa7b5;--line:#2a3441;--axis:#66737f;--other:#4b5866;--keep:#2a3541;--nobody:#232c37;--on:#0c1117;
        --p0:#5fb0f0;--p1:#f29a5c;--p2:#4cc79d;--p3:#d198cb;--p4:#dcbb45;--p5:#8cc7e6;--warn:#2c2614;--warnline:#a8841d}}
        *{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
        body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
        main{max-width:1080px;margin:0 auto;padding:28px 16px 48px}
        header{border-bottom:1px solid var(--line);margin-bottom:18px}
        .kicker{margin:0;color:var(--muted);font-size:13px;letter-spacing:.04em;text-transform:uppercase}
        h1{margin:2px 0 6px;font-size:clamp(26px,5vw,38px);line-height:1.15;overflow-wrap:anywhere}h2{margin:34px 0 10px;font-size:22px}h3{margin:0 0 8px;font-size:16px}
        .lead{max-width:62ch;margin:0 0 18px;color:var(--muted)}
        .notice{margin:10px 0;padding:10px 14px;background:var(--warn);border-left:4px solid var(--warnline);border-radius:4px}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0}
        .cards div{padding:14px;background:var(--card);border-radius:8px}.cards b{display:block;font-size:24px;line-height:1.2;font-variant-numeric:tabular-nums}.cards span{color:var(--muted);font-size:13px}
        .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px;margin:16px 0}
        figure{margin:0;padding:14px;background:var(--card);border-radius:8px;min-width:0}figcaption{margin-top:8px;color:var(--muted);font-size:13px}
        svg{display:block;width:100%;height:auto}
        .scroll{--under:var(--paper);overflow-x:auto;background:linear-gradient(90deg,var(--under) 40%,transparent) 0 0/40px 100% no-repeat local,linear-gradient(270deg,var(--under) 40%,transparent) 100% 0/40px 100% no-repeat local,linear-gradient(90deg,var(--other),transparent) 0 0/14px 100% no-repeat scroll,linear-gradient(270deg,var(--other),transparent) 100% 0/14px 100% no-repeat scroll}figure .scroll{--under:var(--card)}
        table{width:100%;border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
        th,td{padding:7px 8px;border-bottom:1px solid var(--line);text-align:right;vertical-align:bottom}th{color:var(--muted);font-weight:600}th:first-child,td:first-child{text-align:left}td{white-space:nowrap}
        .rest{margin:8px 0;color:var(--muted);font-size:13px}
        .swatch{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:8px}
        li{margin:6px 0;max-width:80ch}
        text{fill:var(--ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}.tick,.caption{fill:var(--muted);font-size:11px}.small{font-size:10px}.strong{font-weight:700}.on{fill:var(--on);font-weight:600}
        .grid line,line{stroke-width:1}.grid line.grid,line.grid{stroke:var(--line)}line.axis{stroke:var(--axis)}line.bound{stroke:var(--p1);stroke-width:2;stroke-dasharray:5 4}line.between{stroke:var(--axis);stroke-width:2}
        .curve{fill:none;stroke-width:2.5;stroke:var(--p0)}.curve.second{stroke:var(--p1);stroke-dasharray:6 4}
        line.edge{stroke-width:3}.soft{opacity:.28}.other{fill:var(--other)}.keep{fill:var(--keep)}.nobody{fill:var(--nobody)}.hollow{fill:var(--paper);stroke:var(--p1);stroke-width:2.5}
        .plan0{fill:var(--p0)}.plan1{fill:var(--p1)}.plan2{fill:var(--p2)}.plan3{fill:var(--p3)}.plan4{fill:var(--p4)}.plan5{fill:var(--p5)}
        line.plan0{stroke:var(--p0)}line.plan1{stroke:var(--p1)}line.plan2{stroke:var(--p2)}line.plan3{stroke:var(--p3)}line.plan4{stroke:var(--p4)}line.plan5{stroke:var(--p5)}
        i.plan0{background:var(--p0)}i.plan1{background:var(--p1)}i.plan2{background:var(--p2)}i.plan3{background:var(--p3)}i.plan4{background:var(--p4)}i.plan5{background:var(--p5)}
        @media screen and (max-width:560px){main{padding:20px 12px 36px}figure{padding:12px 8px}.cards{gap:8px}.cards b{font-size:21px}table{font-size:13px}th,td{padding:6px 5px}text{font-size:13px}.tick,.caption{font-size:12px}.small{font-size:11px}}
        @media print{body{font-size:11pt}table{font-size:9pt}figure table{font-size:8pt}th,td{padding:4px 5px}figure th,figure td{padding:4px 3px}.scroll{overflow:visible;background:none}.cards{grid-template-columns:repeat(auto-fit,minmax(110px,1fr))}section>p{break-after:avoid}main{max-width:none;padding:0}figure,.cards div,section>.scroll,.notice{break-inside:avoid}.grid{grid-template-columns:1fr 1fr}h2{break-after:avoid}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
        """;
}
