//! Charts as pictures: loss curves and PCK curves. With the feature `cli`.

use std::sync::LazyLock;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::metrics::pck;
use crate::data::Photo;
use crate::error::{Error, Result};

const FONT: &str = "sans-serif";
const PALETTE: [RGBColor; 5] = [
    RGBColor(31, 105, 178),
    RGBColor(214, 82, 40),
    RGBColor(46, 139, 87),
    RGBColor(148, 82, 168),
    RGBColor(120, 120, 120),
];
/// Points along a PCK curve, one a tenth of a millimetre over 50 mm.
const PCK_POINTS: u32 = 500;

/// A named line of a chart. Points that are not finite (or, on a logarithmic axis, not positive) are left out.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}

/// A chart of curves over one pair of axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// Whether y is logarithmic, if the curves go over a power of ten: on less there would be nothing to read it by.
    pub log_y: bool,
    /// The range of x, where it should not follow the curves.
    pub x_range: Option<(f64, f64)>,
    /// The range of y, where it should not follow the curves.
    pub y_range: Option<(f64, f64)>,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl Chart {
    /// The fraction of errors (mm) within each distance up to 50 mm, a curve for each named list.
    pub fn pck(lists: &[(&str, &[f32])]) -> Self {
        let curve = |(name, errors): &(&str, &[f32])| {
            let at = |i: u32| 50.0 * f64::from(i) / f64::from(PCK_POINTS);
            let points = (0..=PCK_POINTS).map(|i| (at(i), f64::from(pck(errors, at(i) as f32))));
            Curve { name: name.to_string(), points: points.collect() }
        };
        Chart {
            title: "Joints within a distance of the truth (PCK)".into(),
            x_label: "distance, mm".into(),
            y_label: "fraction of joints".into(),
            log_y: false,
            x_range: None,
            y_range: Some((0.0, 1.0)),
            curves: lists.iter().map(curve).collect(),
        }
    }

    fn usable(&self, &(x, y): &(f64, f64)) -> bool {
        x.is_finite() && y.is_finite() && (!self.log_y || y > 0.0)
    }

    /// The ranges of x and y, never empty.
    fn ranges(&self) -> [(f64, f64); 2] {
        let points = || self.curves.iter().flat_map(|c| &c.points).filter(|p| self.usable(p));
        let span = |of: fn(&(f64, f64)) -> f64| {
            points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let widen = |(low, high): (f64, f64), log: bool| match () {
            _ if low > high => (0.1, 1.0),
            _ if log => (low / 1.1, high * 1.1),
            _ if low == high => (low - 0.5, high + 0.5),
            _ => (low, high),
        };
        let y = self.y_range.unwrap_or_else(|| {
            let (low, high) = widen(span(|p| p.1), self.log_y);
            if self.log_y { (low, high) } else { (low.min(0.0), high * 1.05) }
        });
        [widen(self.x_range.unwrap_or_else(|| span(|p| p.0)), false), y]
    }
}

/// Draws charts one below the other in a picture of `width` × `height` pixels.
pub fn draw(charts: &[Chart], width: u32, height: u32) -> Result<Photo> {
    static REGISTERED: LazyLock<bool> =
        LazyLock::new(|| register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok());
    let fail = |message: String| Error::Picture { file: "chart".into(), message };
    if !*REGISTERED {
        return Err(fail("the font cannot be read".into()));
    }
    let mut rgb = vec![0; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut rgb, (width, height)).into_drawing_area();
        let draw = || -> std::result::Result<(), Box<dyn std::error::Error>> {
            root.fill(&WHITE)?;
            for (chart, area) in charts.iter().zip(root.split_evenly((charts.len(), 1))) {
                let [x, y] = chart.ranges();
                match chart.log_y && y.1 >= 10.0 * y.0 {
                    true => draw_chart(chart, &area, x, (y.0..y.1).log_scale())?,
                    false => draw_chart(chart, &area, x, y.0..y.1)?,
                }
            }
            Ok(root.present()?)
        };
        draw().map_err(|e| fail(e.to_string()))?;
    }
    Photo::from_rgb(width, height, rgb)
}

fn draw_chart<'a, Y>(
    chart: &Chart,
    area: &DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>,
    x: (f64, f64),
    y: Y,
) -> std::result::Result<(), Box<dyn std::error::Error + 'a>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, (FONT, 22))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d::<std::ops::Range<f64>, Y>(x.0..x.1, y)?;
    let label = |v: &f64| match v.abs() {
        0.0 => "0".to_string(),
        a if !(1e-3..1e6).contains(&a) => format!("{v:.0e}"),
        _ => format!("{}", (v * 1e4).round() / 1e4),
    };
    context
        .configure_mesh()
        .x_desc(&chart.x_label)
        .y_desc(&chart.y_label)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 17))
        .light_line_style(RGBColor(240, 240, 240))
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    for (curve, colour) in chart.curves.iter().zip(PALETTE.iter().cycle()) {
        let points = curve.points.iter().copied().filter(|p| chart.usable(p));
        context
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    if chart.curves.len() > 1 {
        context
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, 16))
            .draw()?;
    }
    Ok(())
}

/// The running mean of noisy points over a window that grows to `window` points.
pub fn smooth(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let window = window.max(1);
    let mut sum = 0.0;
    let mean = |(i, &(x, y)): (usize, &(f64, f64))| {
        sum += y;
        if i >= window {
            sum -= points[i - window].1;
        }
        (x, sum / (i + 1).min(window) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dark(photo: &Photo) -> usize {
        photo.rgb().chunks_exact(3).filter(|p| p.iter().all(|c| *c < 90)).count()
    }

    fn coloured(photo: &Photo, colour: RGBColor) -> Vec<(u32, u32)> {
        let want = [colour.0, colour.1, colour.2];
        let hits = photo.rgb().chunks_exact(3).enumerate().filter(|(_, p)| p == &want);
        hits.map(|(i, _)| (i as u32 % photo.width(), i as u32 / photo.width())).collect()
    }

    #[test]
    fn a_falling_curve_falls_and_has_words_around_it() {
        let curve = |name: &str, scale: f64| Curve {
            name: name.into(),
            points: (1..200).map(|i| (f64::from(i), scale / f64::from(i))).collect(),
        };
        let mut chart = Chart {
            title: "Loss".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            log_y: true,
            x_range: None,
            y_range: None,
            curves: vec![curve("a", 1.0), curve("b", 30.0)],
        };
        chart.curves[0].points.push((100.0, f64::NAN));
        chart.curves[0].points.push((100.0, 0.0));
        let picture = draw(&[chart.clone()], 500, 300).unwrap();
        assert!(dark(&picture) > 300, "axes and text: {}", dark(&picture));
        let line = coloured(&picture, PALETTE[0]);
        let left = line.iter().min_by_key(|p| p.0).unwrap();
        let right = line.iter().filter(|p| p.0 < 400).max_by_key(|p| p.0).unwrap();
        assert!(right.0 > left.0 + 100 && right.1 > left.1 + 50, "from {left:?} to {right:?}");
        // Two charts, each half as high.
        let both = draw(&[chart.clone(), chart], 500, 600).unwrap();
        assert_eq!(
            coloured(&both, PALETTE[1]).iter().filter(|p| p.1 < 300).count() * 2,
            coloured(&both, PALETTE[1]).len()
        );
    }

    #[test]
    fn an_axis_over_less_than_a_power_of_ten_has_numbers_too() {
        let curves = vec![Curve { name: "loss".into(), points: vec![(0.0, 280.0), (9.0, 190.0)] }];
        let (title, x_label, y_label) = ("t".into(), "x".into(), "y".into());
        let chart = Chart { title, x_label, y_label, log_y: true, x_range: None, y_range: None, curves };
        let picture = draw(&[chart], 500, 300).unwrap();
        // Between the axis and its name.
        let beside = |(i, p): (usize, &[u8])| (40..70).contains(&(i % 500)) && p.iter().all(|c| *c < 90);
        let dark = picture.rgb().chunks_exact(3).enumerate().filter(|&at| beside(at)).count();
        assert!(dark > 60, "{dark} dark pixels");
    }

    #[test]
    fn charts_without_points_are_drawn_too() {
        for log_y in [true, false] {
            let curves = vec![Curve { name: "none".into(), points: vec![] }];
            let (title, x_label, y_label) = ("t".into(), "x".into(), "y".into());
            draw(&[Chart { title, x_label, y_label, log_y, x_range: None, y_range: None, curves }], 300, 200).unwrap();
        }
    }

    #[test]
    fn pck_curves_rise_to_one() {
        let chart = Chart::pck(&[("all", &[5.0, 10.0, 20.0, 40.0])]);
        let points = &chart.curves[0].points;
        assert_eq!((points[0].1, points[100].1, points[500].1), (0.0, 0.5, 1.0));
        assert!(points.is_sorted_by(|a, b| a.1 <= b.1));
    }

    #[test]
    fn smoothing_is_a_running_mean() {
        let points = [(0.0, 4.0), (1.0, 0.0), (2.0, 2.0), (3.0, 6.0)];
        assert_eq!(smooth(&points, 2), [(0.0, 4.0), (1.0, 2.0), (2.0, 1.0), (3.0, 4.0)]);
    }
}
