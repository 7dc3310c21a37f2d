//! A bar chart: read from a small CSV file, drawn as SVG that is legible on light and dark pages.

use std::fmt::Write as _;

/// Pixels: the whole width, where bars begin, and how long the longest is.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 290.0;
const LONGEST: f64 = 360.0;
/// Pixels: one bar, the space between rows, and what is above the first.
const BAR: f64 = 16.0;
const GAP: f64 = 14.0;
const TOP: f64 = 64.0;

const STYLE: &str = "\
    svg { font-family: -apple-system, BlinkMacSystemFont, \"Segoe UI\", Roboto, \"Noto Sans\", \"Liberation Sans\", Arial, sans-serif; }
    .canvas { fill: #f5f6f7; stroke: #dde1e5; }
    .title { fill: #13181c; font-size: 16px; font-weight: 600; }
    .text { fill: #434e57; font-size: 13px; }
    .bar0 { fill: #1a4f9e; } .bar1 { fill: #8fa9cf; }
    @media (prefers-color-scheme: dark) {
      .canvas { fill: #0e1113; stroke: #2b3238; }
      .title { fill: #e8ebed; }
      .text { fill: #b3bcc3; }
      .bar0 { fill: #8db7f5; } .bar1 { fill: #3f5f8f; }
    }";

/// A title, a unit, and rows of at most two figures each.
#[derive(Debug)]
pub(crate) struct Chart {
    title: String,
    unit: String,
    series: Vec<String>,
    rows: Vec<(String, Vec<f64>)>,
}

impl Chart {
    /// Reads `# title`, then `unit,series…`, then `label,figure…` for each row.
    pub(crate) fn parse(csv: &str) -> Result<Self, String> {
        let mut lines = csv.lines();
        let title = lines.next().and_then(|line| line.strip_prefix("# ")).ok_or("line 1 is not `# title`")?;
        let mut header = lines.next().unwrap_or_default().split(',').map(str::to_owned);
        let unit = header.next().unwrap_or_default();
        let series: Vec<String> = header.collect();
        if !(1..=2).contains(&series.len()) {
            return Err("line 2 is not a unit and the names of one or two series".to_owned());
        }
        let mut rows = Vec::new();
        for (line, number) in lines.zip(3..) {
            let mut cells = line.split(',');
            let label = cells.next().unwrap_or_default().to_owned();
            let figures: Vec<f64> = cells.filter_map(|cell| cell.parse().ok()).collect();
            let sound = figures.iter().all(|figure| figure.is_finite() && *figure >= 0.0);
            if !sound || figures.len() != series.len() || line.split(',').count() != series.len() + 1 {
                return Err(format!("line {number} is not a label and {} figures", series.len()));
            }
            rows.push((label, figures));
        }
        if rows.is_empty() {
            return Err("there are no figures".to_owned());
        }
        Ok(Self { title: title.to_owned(), unit, series, rows })
    }

    /// Every figure as it is written in prose.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<String> {
        self.rows.iter().flat_map(|(_, figures)| figures).map(|figure| grouped(*figure)).collect()
    }

    /// The picture, the same for the same figures.
    pub(crate) fn svg(&self) -> String {
        let figures = self.rows.iter().flat_map(|(_, figures)| figures.iter().copied());
        let largest = figures.fold(f64::MIN_POSITIVE, f64::max);
        let (mut body, mut y) = (String::new(), TOP);
        for (label, figures) in &self.rows {
            let bars = if figures.len() == 1 { 1.0 } else { 2.0 };
            let middle = y + bars * BAR / 2.0 + 3.5;
            body += &text("text", LEFT - 12.0, middle, "end", label);
            for (series, figure) in figures.iter().enumerate() {
                let width: f64 = figure / largest * LONGEST;
                let height = BAR - 2.0;
                line(
                    &mut body,
                    format_args!(
                        "  <rect class=\"bar{series}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\"/>"
                    ),
                );
                body += &text("text", LEFT + width + 8.0, y + 11.5, "start", &grouped(*figure));
                y += BAR;
            }
            y += GAP;
        }
        let names =
            if self.series.len() > 1 { format!(": {}", self.series.join(", then ")) } else { String::new() };
        let mut svg = String::new();
        line(
            &mut svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\">"
            ),
        );
        line(
            &mut svg,
            format_args!("  <title>{}</title>\n  <style>\n{STYLE}\n  </style>", escaped(&self.title)),
        );
        let (inner, height) = (WIDTH - 1.0, y - 1.0);
        line(
            &mut svg,
            format_args!(
                "  <rect class=\"canvas\" x=\"0.5\" y=\"0.5\" width=\"{inner}\" height=\"{height}\" rx=\"10\"/>"
            ),
        );
        svg += &text("title", 20.0, 28.0, "start", &self.title);
        svg += &text("text", 20.0, 48.0, "start", &format!("{}{names}", self.unit));
        svg + &body + "</svg>\n"
    }
}

fn line(out: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(out, "{words}").expect("a string takes everything");
}

fn text(class: &str, x: f64, y: f64, anchor: &str, words: &str) -> String {
    format!(
        "  <text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n",
        escaped(words)
    )
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// With a comma before every third digit of the whole part.
fn grouped(figure: f64) -> String {
    let plain = figure.to_string();
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}
