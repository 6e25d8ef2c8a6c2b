//! A card as one self-contained page: what the adapter can do, a roofline plot, and every row in a table that can be sorted and
//! searched. Nothing is loaded from anywhere.

use std::fmt::{self, Write};

use super::card::{Card, Row, figure};
use super::case::Pass;
use super::compare::{Change, Comparison};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

impl Card {
    /// The page; with a comparison, what changed is marked in it.
    pub fn html(&self, comparison: Option<&Comparison>) -> String {
        let mut out = String::new();
        self.page(&mut out, comparison).expect("writing to a string");
        out
    }

    fn page(&self, out: &mut String, comparison: Option<&Comparison>) -> fmt::Result {
        let title = format!("How near the limit: {}", self.adapter);
        writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(out, "<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>", escape(&title))?;
        writeln!(out, "<h1>{}</h1>", escape(&title))?;
        let about = [&self.kind, &self.backend, &self.driver].map(|s| escape(s)).join(", ");
        let (date, clock) = (self.date(), escape(&self.clock.describe()));
        writeln!(out, "<p class=\"dim\">{about} · knuckle {} · {date} · {clock}</p>", escape(&self.knuckle))?;
        if let Some((old, new)) = comparison.and_then(|c| c.adapters.as_ref()) {
            let (old, new) = (escape(old), escape(new));
            writeln!(out, "<p class=\"loud\">The baseline is of another adapter or driver: {old}. This is {new}.</p>")?;
        }
        self.tiles(out)?;
        writeln!(out, "<h2>Roofline</h2>")?;
        writeln!(
            out,
            "<p class=\"dim\">Arithmetic a second over arithmetic a byte of traffic, as the operators count them. No point can lie \
             above the lines but where its data stay in caches or a kernel needs fewer products than the definition, by which they are \
             counted. Rows without arithmetic are in the table only.</p>"
        )?;
        Plot::of(self).write(self, out)?;
        if let Some(comparison) = comparison {
            writeln!(out, "<h2>Against the baseline</h2>\n<pre>{}</pre>", escape(&comparison.table()))?;
        }
        self.rows_table(out, comparison)?;
        writeln!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>")
    }

    fn tiles(&self, out: &mut String) -> fmt::Result {
        let ceilings = &self.ceilings;
        let rate = |rate: Option<f64>| rate.map_or("not offered".into(), |r| format!("{} GFLOP/s", figure(r)));
        let tiles = [
            ("multiply-adds, f32", rate(Some(ceilings.fma_f32_gflops))),
            ("multiply-adds, f16", rate(ceilings.fma_f16_gflops)),
            ("cooperative matrices, f16", rate(ceilings.fma_cooperative_gflops)),
            ("copy, read and written", format!("{} GB/s", figure(ceilings.copy_gbs))),
            ("each further dispatch", format!("{} µs", figure(ceilings.dispatch_us))),
            ("submission until done", format!("{} µs", figure(ceilings.submission_us))),
        ];
        writeln!(out, "<div class=\"tiles\">")?;
        for (what, value) in tiles {
            writeln!(out, "<div class=\"tile\"><b>{value}</b><span>{what}</span></div>")?;
        }
        writeln!(out, "</div>")?;
        let forms: Vec<String> = ceilings.forms.iter().map(|form| escape(form)).collect();
        let copies: Vec<String> = ceilings
            .copies
            .iter()
            .map(|copy| format!("{} at {}", figure(copy.gbs), super::card::bytes(copy.bytes)))
            .collect();
        writeln!(
            out,
            "<p class=\"dim\">Copies by size, GB/s: {}. Fastest forms: {}.</p>",
            copies.join(", "),
            forms.join("; ")
        )
    }

    fn rows_table(&self, out: &mut String, comparison: Option<&Comparison>) -> fmt::Result {
        writeln!(out, "<h2>Every row</h2>")?;
        writeln!(
            out,
            "<p class=\"dim\">Of max: the least time that the ceilings allow each operator, by its arithmetic or its traffic, over the \
             median. A copy of as many bytes is the ceiling of traffic; small ones stay in caches.</p>"
        )?;
        writeln!(out, "<input type=\"search\" placeholder=\"Filter rows\" aria-label=\"Filter rows\">")?;
        writeln!(out, "<div class=\"scroll\"><table>\n<thead><tr>")?;
        let heads = [
            ("kernel", true),
            ("case", true),
            ("pass", true),
            ("type", true),
            ("ms, median", false),
            ("p95", false),
            ("GFLOP/s", false),
            ("GB/s", false),
            ("of max", false),
            ("variant", true),
            ("runner-up", true),
        ];
        let change = comparison.map(|_| ("against baseline", true));
        for (head, text) in heads.into_iter().chain(change) {
            let class = if text { " class=\"text\"" } else { "" };
            write!(out, "<th{class}><button>{head}</button></th>")?;
        }
        writeln!(out, "</tr></thead>\n<tbody>")?;
        for row in &self.rows {
            write!(out, "<tr>")?;
            for text in [&row.kernel, &row.case, &pass_name(row), &row.dtype] {
                write!(out, "<td class=\"text\">{}</td>", escape(text))?;
            }
            for value in [row.ms_median, row.ms_p95, row.gflops, row.gbs] {
                match value {
                    Some(v) => write!(out, "<td data-key=\"{v:e}\">{}</td>", figure(v))?,
                    None => write!(out, "<td data-key=\"-1\">–</td>")?,
                }
            }
            match row.percent_of_ceiling {
                Some(p) => {
                    let to = p.clamp(0.0, 100.0);
                    write!(out, "<td class=\"share\" style=\"--to:{to:.1}%\" data-key=\"{p:e}\">{p:.0} %</td>")?;
                }
                None => write!(out, "<td data-key=\"-1\">–</td>")?,
            }
            match &row.error {
                Some(error) => write!(out, "<td class=\"text failed\">{}</td>", escape(error))?,
                None => write!(out, "<td class=\"text\">{}</td>", escape(&row.variant))?,
            }
            write!(out, "<td class=\"text\">{}</td>", escape(row.runner_up.as_deref().unwrap_or("")))?;
            if let Some(comparison) = comparison {
                let (class, words) = match comparison.of(&row.key()) {
                    None => ("", "new".into()),
                    Some((_, Change::Failed)) => ("failed", "failed".into()),
                    Some((ratio, Change::Slower)) => ("slower", format!("slower ×{ratio:.2}")),
                    Some((ratio, Change::Faster)) => ("faster", format!("faster ×{ratio:.2}")),
                    Some((ratio, Change::Same)) => ("dim", format!("×{ratio:.2}")),
                };
                write!(out, "<td class=\"text {class}\">{words}</td>")?;
            }
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</tbody></table></div>")
    }
}

fn pass_name(row: &Row) -> String {
    row.pass.map_or(String::new(), |pass| pass.to_string())
}

/// The plot's frame in its own units.
const LEFT: f64 = 64.0;
const TOP: f64 = 18.0;
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 460.0;

/// A plot with both axes logarithmic: from and to in powers of ten.
struct Plot {
    x: (f64, f64),
    y: (f64, f64),
}

/// The finite base-ten logarithm of a positive number.
fn log(value: f64) -> Option<f64> {
    Some(value.log10()).filter(|v| v.is_finite())
}

/// Where a row lies: operations a byte, and GFLOP/s.
fn place(row: &Row) -> Option<(f64, f64)> {
    let intensity = row.flops as f64 / row.bytes as f64;
    Some((log(intensity)?, log(row.gflops?)?))
}

impl Plot {
    fn of(card: &Card) -> Plot {
        let places: Vec<(f64, f64)> = card.rows.iter().filter_map(place).collect();
        let tops =
            [Some(card.ceilings.fma_f32_gflops), card.ceilings.fma_f16_gflops, card.ceilings.fma_cooperative_gflops];
        let top = tops.into_iter().flatten().filter_map(log).fold(0.0, f64::max);
        // The ridge, where the roof's slope meets its flat, is always in sight.
        let ridge = log(card.ceilings.fma_f32_gflops / card.ceilings.copy_gbs).unwrap_or(0.0);
        let xs = || places.iter().map(|p| p.0).chain([ridge - 0.5, ridge + 0.5]);
        let ys = || places.iter().map(|p| p.1).chain([top - 2.0, top]);
        let low = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min).floor();
        let high = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
        // Above the highest roof there is room for what is written on it.
        let y = (low(&mut ys()).max(top - 6.0), high(&mut ys()) + 0.3);
        Plot { x: (low(&mut xs()), (high(&mut xs()) + 0.1).ceil()), y }
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |v: f64, (from, to): (f64, f64)| (v - from) / (to - from);
        (LEFT + share(x, self.x) * WIDTH, TOP + (1.0 - share(y, self.y)) * HEIGHT)
    }

    fn write(&self, card: &Card, out: &mut String) -> fmt::Result {
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        let (width, height) = (right + 24.0, bottom + 62.0);
        writeln!(out, "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Roofline plot\">")?;
        writeln!(
            out,
            "<clipPath id=\"frame\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/></clipPath>"
        )?;
        for power in self.x.0 as i32..=self.x.1 as i32 {
            let (x, _) = self.at((f64::from(power), 0.0));
            let label = power_of_ten(power);
            writeln!(out, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>")?;
            writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0)?;
        }
        for power in self.y.0 as i32..=self.y.1 as i32 {
            let (_, y) = self.at((0.0, f64::from(power)));
            let label = power_of_ten(power);
            writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>")?;
            writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, y + 4.0)?;
        }
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">operations a byte</text>",
            LEFT + WIDTH / 2.0,
            bottom + 40.0
        )?;
        let middle = TOP + HEIGHT / 2.0;
        writeln!(
            out,
            "<text x=\"16\" y=\"{middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {middle:.1})\">GFLOP/s</text>"
        )?;
        writeln!(out, "<g clip-path=\"url(#frame)\">")?;
        let ceilings = &card.ceilings;
        let roofs = [
            ("f32", Some(ceilings.fma_f32_gflops), ""),
            ("f16", ceilings.fma_f16_gflops, " half"),
            ("cooperative f16", ceilings.fma_cooperative_gflops, " half"),
        ];
        for (name, gflops, class) in roofs {
            let roof = gflops.and_then(|gflops| Some((log(gflops)?, log(ceilings.copy_gbs)?)));
            let Some((flat, slope)) = roof else { continue };
            // GFLOP/s = GB/s × operations a byte: a line of slope one.
            let points = [(self.x.0, slope + self.x.0), (flat - slope, flat), (self.x.1, flat)].map(|p| self.at(p));
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            writeln!(out, "<polyline class=\"roof{class}\" points=\"{}\"/>", points.join(" "))?;
            let (x, y) = self.at((self.x.1, flat));
            let rate = figure(10f64.powf(flat));
            let (x, y) = (x - 6.0, y - 6.0);
            writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{name} multiply-adds, {rate} GFLOP/s</text>"
            )?;
        }
        if let Some(slope) = log(ceilings.copy_gbs) {
            // Under the slope, where it begins or enters the frame from below.
            let begin = self.x.0.max(self.y.0 - slope);
            let (x, y) = self.at((begin, slope + begin));
            let label = format!("copy, {} GB/s", figure(ceilings.copy_gbs));
            writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", x + 16.0, (y + 16.0).min(bottom - 6.0))?;
        }
        for row in &card.rows {
            let Some(place) = place(row) else { continue };
            let (x, y) = self.at(place);
            let class = match row.pass {
                Some(Pass::Forward) | None => "fwd",
                Some(Pass::Backward) => "bwd",
                Some(Pass::Both) => "both",
            };
            let tip = format!(
                "{} {} {} {}: {} ms, {} GFLOP/s, {:.0} % of max, {}",
                row.kernel,
                row.case,
                pass_name(row),
                row.dtype,
                figure(row.ms_median.unwrap_or(0.0)),
                figure(row.gflops.unwrap_or(0.0)),
                row.percent_of_ceiling.unwrap_or(0.0),
                row.variant,
            );
            let tip = escape(tip.trim());
            match row.dtype.as_str() {
                "f16" => writeln!(
                    out,
                    "<rect class=\"point {class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\"><title>{tip}</title></rect>",
                    x - 4.5,
                    y - 4.5
                )?,
                _ => writeln!(
                    out,
                    "<circle class=\"point {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"><title>{tip}</title></circle>"
                )?,
            }
        }
        writeln!(out, "</g>")?;
        let legend = [("fwd", "forward"), ("bwd", "backward"), ("both", "forward + backward")];
        let mut x = LEFT;
        let y = bottom + 44.0;
        for (class, name) in legend {
            writeln!(out, "<circle class=\"point {class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"5.5\"/>", x + 6.0, y - 4.0)?;
            writeln!(out, "<text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>", x + 18.0)?;
            x += 40.0 + 7.0 * name.len() as f64;
        }
        writeln!(out, "<text x=\"{right:.1}\" y=\"{y:.1}\" text-anchor=\"end\">squares: stored as f16</text>")?;
        writeln!(out, "</svg>")
    }
}

fn power_of_ten(power: i32) -> String {
    format!("{:.*}", power.min(0).unsigned_abs() as usize, 10f64.powi(power))
}

/// Text for HTML, also within quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::card::tests::card;
    use super::*;

    #[test]
    fn the_page_stands_alone_and_shows_every_row() {
        let page = card().html(None);
        for outside in ["http://", "https://", "src=", "@import", "url(http", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("Test &lt;GPU&gt;") && !page.contains("Test <GPU>"));
        assert_eq!(page.matches("<tr>").count(), 1 + card().rows.len());
        assert!(page.contains("the GPU device was lost"), "what failed is said");
        // A point for the row with figures, none for the other; f32 and f16 roofs.
        assert_eq!(page.matches("<title>conv2d").count(), 1);
        assert_eq!(page.matches("class=\"roof").count(), 2);
        assert!(!has_bad_number(&page), "{page}");
        assert!(page.trim_end().ends_with("</html>"));
    }

    /// Whether a figure of the page is none; the script may speak of them.
    fn has_bad_number(page: &str) -> bool {
        let figures = page.split_once("<script>").map_or(page, |(before, _)| before);
        ["NaN", ">inf", "\"inf", " inf", "-inf"].iter().any(|bad| figures.contains(bad))
    }

    #[test]
    fn axes_are_labelled_without_idle_digits() {
        assert_eq!([-2, 0, 1, 4].map(power_of_ten), ["0.01", "1", "10", "10000"]);
    }

    #[test]
    fn what_changed_is_marked() {
        let mut new = card();
        new.rows[0].ms_median = Some(90.0);
        let comparison = Comparison::new(&card(), &new);
        let page = new.html(Some(&comparison));
        assert!(page.contains("slower ×1.50") && page.contains("1 slower"));
        assert!(!card().html(None).contains("against baseline"));
    }

    #[test]
    fn a_card_without_figures_is_still_a_page() {
        let mut card = card();
        card.ceilings = Default::default();
        card.rows.clear();
        let page = card.html(None);
        assert!(page.contains("</svg>") && !has_bad_number(&page), "{page}");
    }
}
