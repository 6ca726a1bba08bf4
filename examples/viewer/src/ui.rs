//! What the window looks like.
use crate::app::{Action, Viewer, file_name};
use crate::scorer;
use eframe::egui::{self, Align2, Color32, FontId, Rect, RichText, Stroke, StrokeKind, Ui, pos2, vec2};

/// Name and explanation of the three pictures, from left to right.
const COLUMNS: [(&str, &str); 3] = [
    ("Picture", "as it came"),
    ("Heat map", "how much the model's idea of it differs"),
    ("Reconstruction", "as the model thinks it should look"),
];
const RED: Color32 = Color32::from_rgb(255, 110, 90);
const GREEN: Color32 = Color32::from_rgb(110, 210, 130);
/// Distance between the columns, height of a column's heading and of the scale below it, in points.
const GAP: f32 = 16.0;
const HEADING: f32 = 44.0;
const SCALE: f32 = 44.0;

/// What came of drawing a frame.
pub struct Drawn {
    pub action: Option<Action>,
    /// Where the pictures are.
    pub places: Vec<(&'static str, Rect)>,
}

pub fn draw(ui: &mut Ui, viewer: &Viewer) -> Drawn {
    let margin = |panel: egui::Panel| panel.frame(egui::Frame::side_top_panel(ui.style()).inner_margin(12.0));
    let (top, bottom) = (margin(egui::Panel::top("choice")), margin(egui::Panel::bottom("result")));
    let chosen = top.show(ui, |ui| choice(ui, viewer)).inner;
    let judged = bottom.resizable(false).show(ui, |ui| result(ui, viewer)).inner;
    let frame = egui::Frame::central_panel(ui.style()).inner_margin(12.0);
    let places = egui::CentralPanel::default().frame(frame).show(ui, |ui| pictures(ui, viewer)).inner;
    if ui.ctx().input(|i| !i.raw.hovered_files.is_empty()) {
        message(ui, ui.ctx().content_rect(), "Let go to open");
    }
    Drawn { action: chosen.or(judged).or_else(|| keys(ui)), places }
}

/// The left and right arrow keys turn pages, unless a text field or the slider has them.
fn keys(ui: &Ui) -> Option<Action> {
    if ui.ctx().memory(|m| m.focused().is_some()) {
        return None;
    }
    let pressed = |key| ui.ctx().input(|i| i.key_pressed(key));
    let forwards = pressed(egui::Key::ArrowRight);
    (forwards || pressed(egui::Key::ArrowLeft)).then_some(Action::Turn(forwards))
}

/// Model, picture, device.
fn choice(ui: &mut Ui, viewer: &Viewer) -> Option<Action> {
    let mut action = None;
    ui.horizontal(|ui| {
        ui.label("Model");
        let list = egui::ComboBox::from_id_salt("models").width(160.0).selected_text(viewer.model_name(viewer.model));
        list.show_ui(ui, |ui| {
            for model in 0..viewer.models.len() {
                if ui.selectable_label(model == viewer.model, viewer.model_name(model)).clicked() {
                    action = Some(Action::Model(model));
                }
            }
        });
        ui.add_space(GAP);
        if let Some(pictures) = &viewer.pictures {
            let (at, of) = pictures.place();
            for (text, forwards, hint) in [("Previous", false, "left arrow key"), ("Next", true, "right arrow key")] {
                if ui.add_enabled(of > 1, egui::Button::new(text)).on_hover_text(hint).clicked() {
                    action = Some(Action::Turn(forwards));
                }
            }
            ui.label(RichText::new(file_name(pictures.current())).strong());
            ui.label(format!("{at} of {of}"));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(format!("on {}", viewer.adapter())).weak()).truncate());
        });
    });
    action
}

/// The three pictures side by side, of one size and at one height.
fn pictures(ui: &mut Ui, viewer: &Viewer) -> Vec<(&'static str, Rect)> {
    let area = ui.available_rect_before_wrap();
    let Some((shown, job)) = viewer.shown.zip(viewer.job.as_ref()) else {
        let text = match viewer.pictures {
            Some(_) => "",
            None => "Drop a picture or a folder of pictures on this window",
        };
        message(ui, area, text);
        return Vec::new();
    };
    let column = (area.width() - 2.0 * GAP) / 3.0;
    let size = vec2(job.picture.width() as f32, job.picture.height() as f32);
    let fit = (column / size.x).min((area.height() - HEADING - SCALE) / size.y);
    // Whole pixels of the screen, so that the three are exactly alike.
    let dots = ui.ctx().pixels_per_point();
    let whole = |v: f32| (v * dots).floor().max(1.0) / dots;
    let size = vec2(whole(fit * size.x), whole(fit * size.y));
    let top = area.top() + HEADING + (area.height() - HEADING - SCALE - size.y) / 2.0;
    let mut places = Vec::new();
    for (i, (name, explanation)) in COLUMNS.into_iter().enumerate() {
        let left = area.left() + i as f32 * (column + GAP) + (column - size.x) / 2.0;
        let rect = Rect::from_min_size(pos2(whole(left), whole(top)), size);
        heading(ui, rect, name, explanation);
        ui.painter().rect_filled(rect, 0.0, Color32::BLACK);
        if i == 0 || job.scores.is_some() {
            let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(shown[i], rect, all, Color32::WHITE);
        } else {
            message(ui, rect, &format!("step {} of {}", (job.done() + 1).min(job.steps), job.steps));
        }
        ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, Color32::from_gray(70)), StrokeKind::Outside);
        if i == 1 {
            colour_scale(ui, rect, viewer.threshold);
        }
        places.push((name, rect));
    }
    places
}

fn heading(ui: &Ui, picture: Rect, name: &str, explanation: &str) {
    let at = picture.left_top() - vec2(0.0, HEADING);
    let (strong, weak) = (ui.visuals().strong_text_color(), ui.visuals().weak_text_color());
    ui.painter().text(at, Align2::LEFT_TOP, name, FontId::proportional(18.0), strong);
    ui.painter().text(at + vec2(0.0, 22.0), Align2::LEFT_TOP, explanation, FontId::proportional(13.0), weak);
}

/// The colours of the heat map, with the threshold in their middle.
fn colour_scale(ui: &Ui, picture: Rect, threshold: f32) {
    let bar = Rect::from_min_size(picture.left_bottom() + vec2(0.0, 8.0), vec2(picture.width(), 10.0));
    let mut mesh = egui::Mesh::default();
    for (i, [r, g, b]) in scorer::colours().enumerate() {
        let x = bar.left() + bar.width() * i as f32 / 255.0;
        mesh.colored_vertex(pos2(x, bar.top()), Color32::from_rgb(r, g, b));
        mesh.colored_vertex(pos2(x, bar.bottom()), Color32::from_rgb(r, g, b));
        let n = 2 * i as u32;
        if i > 0 {
            mesh.add_triangle(n - 2, n - 1, n);
            mesh.add_triangle(n - 1, n, n + 1);
        }
    }
    ui.painter().add(mesh);
    ui.painter().rect_stroke(bar, 0.0, Stroke::new(1.0, Color32::from_gray(70)), StrokeKind::Outside);
    let colour = ui.visuals().text_color();
    ui.painter().vline(bar.center().x, bar.top() - 2.0..=bar.bottom() + 3.0, Stroke::new(1.5, Color32::WHITE));
    let ends = [
        (bar.left_bottom(), Align2::LEFT_TOP, "0".to_owned()),
        (bar.center_bottom(), Align2::CENTER_TOP, format!("threshold {}", digits(threshold))),
        (bar.right_bottom(), Align2::RIGHT_TOP, digits(2.0 * threshold)),
    ];
    for (at, align, text) in ends {
        ui.painter().text(at + vec2(0.0, 4.0), align, text, FontId::proportional(13.0), colour);
    }
}

/// Threshold, verdict, progress, trouble.
fn result(ui: &mut Ui, viewer: &Viewer) -> Option<Action> {
    let mut action = None;
    ui.horizontal(|ui| verdict(ui, viewer));
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.label("Threshold");
        let own = viewer.scorer.as_ref().map_or(viewer.threshold, |s| s.threshold);
        let mut threshold = viewer.threshold;
        ui.spacing_mut().slider_width = 260.0;
        let slider = egui::Slider::new(&mut threshold, own / 20.0..=own * 20.0).logarithmic(true);
        let slider = slider.clamping(egui::SliderClamping::Never).custom_formatter(|v, _| digits(v as f32));
        if ui.add_enabled(viewer.scorer.is_some(), slider).changed() && threshold.is_finite() && threshold > 0.0 {
            action = Some(Action::Threshold(threshold));
        }
        let reset = egui::Button::new(format!("The model's own: {}", digits(own)));
        if ui.add_enabled(viewer.scorer.is_some() && threshold != own, reset).clicked() {
            action = Some(Action::Threshold(own));
        }
    });
    ui.add_space(6.0);
    progress(ui, viewer);
    if let Some(trouble) = &viewer.trouble {
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            if ui.button("Dismiss").clicked() {
                action = Some(Action::Dismiss);
            }
            ui.add(egui::Label::new(RichText::new(trouble).color(RED)).wrap());
        });
    }
    action
}

/// What the map's three numbers say about the threshold. A model whose own score is the mean of the map's highest part
/// judges whole pictures by that, which they do not hold.
fn verdict(ui: &mut Ui, viewer: &Viewer) {
    let big = |text: String, colour| RichText::new(text).color(colour).size(18.0);
    let Some(scores) = viewer.job.as_ref().and_then(|j| j.scores) else {
        ui.label(big("Not scored yet".into(), ui.visuals().weak_text_color()));
        return;
    };
    let times = scores.max / viewer.threshold;
    ui.label(match times > 1.0 {
        true => big(format!("Above the threshold: up to {times:.1} times as much"), RED),
        false => big(format!("Below the threshold everywhere: at most {times:.2} of it"), GREEN),
    });
    let numbers = [("mean", scores.mean), ("max", scores.max), ("min", scores.min)];
    let numbers = numbers.map(|(name, value)| format!("{name} {}", digits(value)));
    ui.label(RichText::new(format!("     map: {}", numbers.join(", "))).weak());
}

fn progress(ui: &mut Ui, viewer: &Viewer) {
    let part = viewer.job.as_ref().map_or(0.0, |j| j.done() as f32 / j.steps as f32);
    // The text stands beside the bar and not on it, where the fill would make it hard to read.
    ui.horizontal(|ui| {
        ui.add(egui::ProgressBar::new(part).desired_width(260.0).desired_height(10.0));
        ui.label(viewer.doing());
    });
}

/// A line of text in the middle of an area.
fn message(ui: &Ui, area: Rect, text: &str) {
    let painter = ui.painter().with_clip_rect(area);
    painter.text(area.center(), Align2::CENTER_CENTER, text, FontId::proportional(18.0), ui.visuals().text_color());
}

/// Three digits that count.
fn digits(value: f32) -> String {
    let before = if value > 0.0 { value.log10().floor() as i32 } else { 0 };
    format!("{value:.*}", (2 - before).clamp(0, 6) as usize)
}
