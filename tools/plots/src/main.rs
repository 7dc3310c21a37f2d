//! Draws the figures of `docs/figures/*.csv` as bar charts in `docs/images/*.svg`: `cargo run -p vouchlog-plots`.
//!
//! With the folder that `tools/performance/run` filled, it first writes what was measured into `docs/figures/results.json`, and from that
//! the charts' figures and the marked tables of `docs/performance.md`: `cargo run -p vouchlog-plots -- target/performance`.
//!
//! A test fails if a picture is not what its figures give, if a figure is not in `docs/performance.md`, or if a marked table is not what
//! the results give.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

mod chart;
mod goals;
mod results;
mod tables;

use chart::Chart;
use results::Results;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Every file of figures, with the picture it belongs to.
fn figures() -> Result<Vec<(PathBuf, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(docs().join("figures"))? {
        let csv = entry?.path();
        if csv.extension().is_some_and(|extension| extension == "csv") {
            let name = csv.file_stem().ok_or("a file of figures has a name")?;
            let svg = docs().join("images").join(name).with_extension("svg");
            found.push((csv, svg));
        }
    }
    found.sort();
    Ok(found)
}

fn read(csv: &Path) -> Result<Chart, Box<dyn Error>> {
    Chart::parse(&fs::read_to_string(csv)?).map_err(|error| format!("{}: {error}", csv.display()).into())
}

fn results_file() -> PathBuf {
    docs().join("figures/results.json")
}

fn page_file() -> PathBuf {
    docs().join("performance.md")
}

/// Takes over what was measured.
fn take(folder: &Path) -> Result<(), Box<dyn Error>> {
    let results: Results = tables::collect(folder)?;
    fs::write(results_file(), format!("{:#}\n", serde_json::to_value(&results)?))?;
    let page = fs::read_to_string(page_file())?;
    fs::write(page_file(), tables::written(&page, &results)?)?;
    for (name, csv) in tables::charts(&results) {
        fs::write(docs().join("figures").join(name).with_extension("csv"), csv)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(folder) = std::env::args_os().nth(1) {
        take(Path::new(&folder))?;
    }
    for (csv, svg) in figures()? {
        fs::write(&svg, read(&csv)?.svg())?;
        println!("wrote {}", svg.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_what_its_figures_give() {
        let figures = figures().unwrap();
        assert!(!figures.is_empty());
        for (csv, svg) in figures {
            let drawn = fs::read_to_string(&svg).unwrap_or_default();
            let expected = read(&csv).unwrap().svg();
            assert!(drawn == expected, "{} is out of date: cargo run -p vouchlog-plots", svg.display());
        }
    }

    #[test]
    fn every_figure_is_in_the_page_on_performance() {
        let page = fs::read_to_string(docs().join("performance.md")).unwrap();
        let words: Vec<_> = page.split(|c: char| !c.is_ascii_digit() && c != ',' && c != '.').collect();
        let known = |figure: &str| words.iter().any(|word| word.trim_end_matches([',', '.']) == figure);
        for (csv, _) in figures().unwrap() {
            for figure in read(&csv).unwrap().values() {
                assert!(known(&figure), "{}: docs/performance.md does not have {figure}", csv.display());
            }
        }
    }

    #[test]
    fn every_marked_table_is_what_the_results_give() {
        let page = fs::read_to_string(page_file()).unwrap();
        // A mark without a table, or without an end, is found before there are results.
        assert!(tables::written(&page, &Results::new()).unwrap() == page);
        assert!(page.contains("<!-- table: log -->") && page.contains("<!-- table: witnesses -->"));
        let Ok(results) = fs::read(results_file()) else { return };
        let results: Results = serde_json::from_slice(&results).unwrap();
        let written = tables::written(&page, &results).unwrap();
        assert!(written == page, "docs/performance.md is out of date: cargo run -p vouchlog-plots -- FOLDER");
    }

    #[test]
    fn a_malformed_file_is_refused_with_its_line() {
        for (csv, words) in [
            ("", "line 1"),
            ("Title\nms,p50\na,1\n", "line 1"),
            ("# Title\nms\na\n", "line 2"),
            ("# Title\nms,p50\n", "no figures"),
            ("# Title\nms,p50\na,1,2\n", "line 3"),
            ("# Title\nms,p50\na,fast\n", "line 3"),
            ("# Title\nms,p50\na,-1\n", "line 3"),
            ("# Title\nms,p50\na,inf\n", "line 3"),
        ] {
            let error = Chart::parse(csv).unwrap_err();
            assert!(error.contains(words), "{csv:?}: {error}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let chart = Chart::parse("# A <b> & c\nms,p50,p99\nfirst,1,4\nsecond,2,0.5\n").unwrap();
        let svg = chart.svg();
        assert!(svg.contains("A &lt;b&gt; &amp; c"));
        let widths: Vec<_> =
            svg.split("class=\"bar").skip(1).map(|bar| bar.split("width=\"").nth(1).unwrap()).collect();
        let widths: Vec<f64> =
            widths.iter().map(|text| text.split('"').next().unwrap().parse().unwrap()).collect();
        let longest = widths[1];
        assert_eq!(widths, [longest / 4.0, longest, longest / 2.0, longest / 8.0]);
        assert_eq!(Chart::parse("# T\nx,y\na,1188000\n").unwrap().values(), ["1,188,000"]);
    }
}
