//! `attack.html`: the numbers, and each image beside its perturbation and both maps. The pictures are files below `pictures`, so that
//! the folder is moved as a whole.
use super::{AttackRecord, AttackReport};
use crate::eval::GOOD;
use crate::eval::pages::{Contents, Made, Section, fixed, html_page};
use crate::report::{escape, href, number, score_histogram};
use std::fmt::Write;

const DEFINITIONS: &str = "Scores before and after are of the same files that are kept, read again, under draws of the detector's noise \
    that the attack has not seen. AUROC is scikit-learn's over the images, for each draw by itself, with what shares a noise in the \
    detector sharing each draw; its mean over \
    the draws is shown. A perturbation is shown around middle grey, its greatest change being black or white; both maps of an image \
    have one scale.";

/// The files of an image's pictures, with what they show.
pub const PICTURES: [(&str, &str); 5] = [
    ("image.png", "Image"),
    ("adversarial.png", "Adversarial"),
    ("perturbation.png", "Perturbation"),
    ("map-before.png", "Map before"),
    ("map-after.png", "Map after"),
];

/// So many images are shown by their pictures, those that moved furthest first; the others are rows of a table.
const SHOWN: usize = 200;

impl AttackReport {
    /// The page `attack.html`.
    pub fn html(&self) -> String {
        let settings = self.source.rows(&self.attack).into_iter().map(|(name, value)| vec![name, value]).collect();
        let made = Made { title: "Residua attack", created: &self.source.created, version: &self.source.version };
        html_page(&self.contents(), &self.cards(), settings, &self.failures, &made)
    }

    fn contents(&self) -> Contents {
        let mut figures = vec![("images", self.images.len().to_string(), "images".to_owned())];
        if let Some(auroc) = &self.auroc {
            figures.push(("mean", fixed(Some(auroc.before.mean)), "AUROC before".into()));
            figures.push(("mean", fixed(Some(auroc.after.mean)), "AUROC after".into()));
        }
        let mut first = Vec::new();
        if self.source.interrupted {
            let fault =
                "The work was ended early: images are missing, and the numbers are of those that were finished.";
            first.push(Section::note("Not complete", fault.into()));
        }
        first.push(Section::note("What was attacked", self.attacked()));
        first.push(match &self.auroc {
            None => Section::note("Image AUROC", format!("None: {}.", self.reason.as_deref().unwrap_or("no image"))),
            Some(auroc) => {
                let row = |what: &str, s: &super::Spread| {
                    vec![what.to_owned(), fixed(Some(s.mean)), fixed(Some(s.lowest)), fixed(Some(s.highest))]
                };
                let head = ["", "mean over the draws", "lowest", "highest"];
                Section::table("Image AUROC", &head, vec![row("before", &auroc.before), row("after", &auroc.after)])
            }
        });
        let moved = self.moved.iter().map(|m| {
            let [before, after] = [m.before, m.after].map(number);
            vec![m.towards.clone(), m.images.to_string(), before, after, m.followed.to_string()]
        });
        let head = ["driven", "images", "mean score before", "after", "moved so"];
        first.push(Section::table("Scores", &head, moved.collect()));
        let points = |side: usize| -> Vec<(f64, bool)> {
            self.images.iter().map(|r| (r.means()[side], r.subject.anomalous() == Some(true))).collect()
        };
        let drawings = vec![
            ("before.svg", "Scores before: grey normal, red anomalous", score_histogram(&points(0), None, &points(1))),
            ("after.svg", "Scores after", score_histogram(&points(1), None, &points(0))),
        ];
        let rows = self.images.iter().map(row).collect();
        let second = vec![Section::table("All images", &COLUMNS, rows).folded()];
        let title = "Attack";
        Contents { title, figures, first, drawings, second, settings: Vec::new(), definitions: DEFINITIONS }
    }

    /// The detector and the attack in a sentence or two.
    fn attacked(&self) -> String {
        let said = |at: &serde_json::Value, key: &str| match &at[key] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(n) => n.as_f64().map_or(n.to_string(), number),
            other => other.to_string(),
        };
        let (by, of) = (|key| said(&self.attack, key), |key| said(&self.source.source, key));
        format!(
            "{} ({}), by projected gradient descent in {}: epsilon {} in units of the 0..1 image, {} steps of {}, {} restarts, each gradient \
             the mean over {} draws of the detector's noise. Judged by {} draws that the attack has not seen. Goal: {}.",
            of("system"),
            of("model"),
            by("norm"),
            by("epsilon"),
            by("steps"),
            by("step_size"),
            by("restarts"),
            by("draws"),
            by("fresh_draws"),
            by("goal")
        )
    }

    /// The images with their pictures, that moved furthest first.
    fn cards(&self) -> String {
        let mut ranked: Vec<&AttackRecord> = self.images.iter().collect();
        ranked.sort_by(|a, b| b.gain().total_cmp(&a.gain()));
        let mut page = String::from(r#"<section><h2>Images</h2>"#);
        for r in ranked.iter().take(SHOWN) {
            page += &card(r);
        }
        if let more @ 1.. = ranked.len().saturating_sub(SHOWN) {
            let _ = write!(page, "<p>{more} others stand in the table of all images.</p>");
        }
        page + "</section>"
    }
}

fn card(r: &AttackRecord) -> String {
    let [before, after] = r.means();
    let (name, folder) = (escape(&r.subject.name), href(&r.subject.folder));
    let (class, what) = match r.subject.defect.as_deref() {
        None => ("unjudged", String::new()),
        Some(GOOD) => ("normal", "normal".to_owned()),
        Some(defect) => ("anomalous", escape(defect)),
    };
    let badge = if what.is_empty() { what } else { format!(r#"<span class="badge {class}">{what}</span>"#) };
    let mut card = format!(
        r#"<article class="{class}"><div class="title"><h3 title="{}">{name}</h3>{badge}<span class="score">driven {}: {} → {}</span></div><div class="tiles">"#,
        escape(&r.subject.path.to_string_lossy()),
        escape(&r.towards),
        number(before),
        number(after),
    );
    for (file, caption) in PICTURES {
        let caption = match file {
            "perturbation.png" => format!("{caption}, linf {}, l2 {}", number(r.linf), number(r.l2)),
            _ => caption.to_owned(),
        };
        let _ = write!(
            card,
            r#"<figure><a href="./pictures/{folder}/{file}"><img src="./pictures/{folder}/{file}" alt="{caption} of {name}" loading="lazy"/></a><figcaption>{caption}</figcaption></figure>"#
        );
    }
    card += "</div>";
    for warning in notes(r) {
        let _ = write!(card, r#"<p class="warning">{}</p>"#, escape(&warning));
    }
    card + "</article>"
}

/// What the reader should know of an image and its attack.
fn notes(r: &AttackRecord) -> Vec<String> {
    let mut notes = r.subject.warnings.clone();
    if r.restart.is_none() {
        notes.push("no candidate was better than the image itself, which stayed as it is".into());
    }
    if r.restart.is_some() && r.gain() <= 0.0 {
        notes.push("under the draws that judge, its score did not move where it was driven".into());
    }
    if r.flat_steps > 0 {
        notes.push(format!("in {} steps the gradient was zero or not finite, so that they led nowhere", r.flat_steps));
    }
    notes
}

const COLUMNS: [&str; 8] = ["image", "defect", "driven", "before", "after", "linf", "l2", "notes"];

fn row(r: &AttackRecord) -> Vec<String> {
    let [before, after] = r.means().map(number);
    let defect = r.subject.defect.clone().unwrap_or("–".into());
    let name = r.subject.name.clone();
    vec![name, defect, r.towards.clone(), before, after, number(r.linf), number(r.l2), notes(r).join("; ")]
}

#[cfg(test)]
mod tests {
    use super::super::attack::tests::{record, report};
    use super::*;

    #[test]
    fn the_page_shows_both_sides_and_escapes_names() {
        let mut odd = record("<b>&", Some("hole"), &[1.0], &[0.25]);
        odd.flat_steps = 3;
        odd.restart = None;
        let page = report(vec![odd, record("n", Some("good"), &[0.5], &[2.0])]).html();
        assert!(page.contains("AUROC before") && page.contains("1 → 0.25") && page.contains("&lt;b&gt;&amp;"));
        assert!(!page.contains("<b>&<") && page.contains("pictures/n/map-after.png") && page.contains("in 3 steps"));
        assert!(page.contains("stayed as it is"));
        assert!(page.find("pictures/n/").unwrap() < page.find("pictures/%3Cb%3E%26/").unwrap(), "furthest first");
        let unlabelled = report(vec![record("x", None, &[1.0], &[0.5])]).html();
        assert!(unlabelled.contains("None: the images have no labels.") && !unlabelled.contains("NaN"));
    }

    #[test]
    fn many_images_are_cut_and_an_end_that_came_early_is_said() {
        let all = (0..SHOWN + 5).map(|i| record(&i.to_string(), Some("hole"), &[1.0], &[0.5])).collect();
        let mut r = report(all);
        r.source.interrupted = true;
        let page = r.html();
        assert!(page.contains("5 others stand") && page.contains("ended early"));
        assert_eq!(page.matches("<article").count(), SHOWN);
    }
}
