//! One HTML file without a request to anywhere: style and pictures are inside.

/// Light and dark by the reader's preference; wide tables and plots scroll inside themselves, never the page; on paper
/// always light.
const STYLE: &str = "\
:root{--bg:#fff;--ink:#1b1f24;--soft:#59636e;--rule:#d1d9e0;--card:#f6f8fa;--gpu:#1f6f4a;--gpu2:#a9d3be;--all:#1f5fbf;--all2:#a8c7f0;--third:#b3541e;--note:#fff4d6;--note-ink:#5c4400}\
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--ink:#e6edf3;--soft:#9aa4af;--rule:#343b44;--card:#1c2229;--gpu:#3fb27f;--gpu2:#1f5a41;--all:#6ea8ff;--all2:#2b4a7d;--third:#f0975a;--note:#3a2f10;--note-ink:#f3dc9c}}\
@media print{:root{--bg:#fff;--ink:#000;--soft:#444;--rule:#bbb;--card:#fff;--gpu:#1f6f4a;--gpu2:#a9d3be;--all:#1f5fbf;--all2:#a8c7f0;--third:#b3541e;--note:#fff;--note-ink:#000}figure,table,h2{break-inside:avoid}}\
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}\
body{margin:0 auto;max-width:60rem;padding:1.2rem 1rem 3rem;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.6rem;line-height:1.2;margin:.4rem 0}h2{font-size:1.15rem;margin:2rem 0 .4rem}\
p{max-width:44rem}.label{background:var(--note);color:var(--note-ink);border-left:4px solid currentColor;padding:.5rem .8rem;font-weight:600}\
figure{margin:1rem 0;padding:.8rem;background:var(--card);border:1px solid var(--rule);border-radius:8px}\
figcaption{color:var(--soft);font-size:.9rem;margin-top:.4rem}.scroll{overflow-x:auto}\
svg.plot{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.88rem}\
svg.plot text{fill:var(--ink)}svg.plot .soft{fill:var(--soft)}svg.plot .rule{stroke:var(--rule)}svg.plot .unit{stroke:var(--soft);stroke-dasharray:4 3}\
.gpu{fill:var(--gpu);stroke:var(--gpu)}.gpu2{fill:var(--gpu2);stroke:var(--gpu)}.all{fill:var(--all);stroke:var(--all)}.all2{fill:var(--all2);stroke:var(--all)}.third{fill:var(--third);stroke:var(--third)}\
svg.plot polyline{fill:none;stroke-width:2}svg.plot .all2.line,svg.plot .gpu2.line{stroke-dasharray:5 3}\
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;width:100%}\
th,td{padding:.3rem .55rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}th{color:var(--soft);font-weight:600}\
th:first-child,td:first-child{text-align:left}th.text,td.text{text-align:left}\
@media(max-width:30rem){body{font-size:15px}h1{font-size:1.3rem}figure{padding:.5rem}svg.plot{font-size:15px}}\
@media print{body{font-size:10.5pt;padding:0}.scroll{overflow:visible}table{font-size:8pt}th,td{padding:.15rem .3rem;white-space:normal;overflow-wrap:anywhere}}";

/// A report in the making.
pub struct Page {
    title: String,
    body: String,
}

impl Page {
    /// `label` says whether figures are measured, emulated or simulated, and on what; it is repeated at every figure.
    pub fn new(title: &str, label: &str) -> Page {
        let body = format!(
            "<h1>{}</h1>\n<p class=\"label\">{}</p>\n",
            escaped(title),
            escaped(label)
        );
        Page {
            title: title.to_string(),
            body,
        }
    }

    pub fn heading(&mut self, text: &str) {
        self.body += &format!("<h2>{}</h2>\n", escaped(text));
    }

    pub fn text(&mut self, text: &str) {
        self.body += &format!("<p>{}</p>\n", escaped(text));
    }

    /// A plot with its caption; `svg` comes from this room.
    pub fn figure(&mut self, svg: &str, caption: &str) {
        self.body += &format!(
            "<figure><div class=\"scroll\">{svg}</div><figcaption>{}</figcaption></figure>\n",
            escaped(caption)
        );
    }

    pub fn table(&mut self, rows: &[Vec<String>]) {
        self.body += &format!("<div class=\"scroll\">{}</div>\n", table(rows));
    }

    /// The whole file.
    pub fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\
             <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n<body>\n{}</body></html>\n",
            escaped(&self.title),
            self.body
        )
    }
}

/// Rows as an HTML table; the first is its head. Cells that are no number are set left.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table>");
    for (index, row) in rows.iter().enumerate() {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let text = escaped(cell);
            html += &match (index, is_text(cell)) {
                (0, _) if text_column(rows, column) => format!("<th class=\"text\">{text}</th>"),
                (0, _) => format!("<th>{text}</th>"),
                (_, true) => format!("<td class=\"text\">{text}</td>"),
                (_, false) => format!("<td>{text}</td>"),
            };
        }
        html += "</tr>\n";
    }
    html + "</table>"
}

fn text_column(rows: &[Vec<String>], column: usize) -> bool {
    let cell = rows.get(1).and_then(|row| row.get(column));
    cell.is_some_and(|cell| is_text(cell))
}

fn is_text(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_alphabetic())
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
