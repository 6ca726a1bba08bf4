//! `certify.html`: what is certified at each radius, and each image's verdict and bounds.
use super::{AtRadius, CertificateRecord, CertificateReport};
use crate::eval::pages::{Contents, Made, Section, fixed, html_page};
use crate::report::{number, score_histogram};

const DEFINITIONS: &str = "What is certified is the smoothed detector: its score is the median of the detector's scores under Gaussian \
    noise on the image, its verdict that of most draws. Certified AUROC: the share of pairs of an anomalous and a normal image whose order \
    no perturbations of both, each up to the radius in l2, can turn around; ties and missing bounds count as lost. Found and passed: the \
    share of the anomalous images that are certified to be anomalous at the radius, and of the normal ones to be normal.";

impl CertificateReport {
    /// The page `certify.html`.
    pub fn html(&self) -> String {
        let settings = self.source.rows(&self.certificate).into_iter().map(|(name, value)| vec![name, value]).collect();
        let made = Made { title: "Residua certificate", created: &self.source.created, version: &self.source.version };
        html_page(&self.contents(), "", settings, &self.failures, &made)
    }

    fn contents(&self) -> Contents {
        let mut figures = vec![("images", self.images.len().to_string(), "images".to_owned())];
        figures.extend(self.auroc.map(|a| ("mean", fixed(Some(a)), "AUROC of the medians".to_owned())));
        figures.extend(self.abstained.map(|n| ("unjudged", n.to_string(), "abstained".to_owned())));
        let mut first = Vec::new();
        if self.source.interrupted {
            let fault =
                "The work was ended early: images are missing, and the numbers are of those that were finished.";
            first.push(Section::note("Not complete", fault.into()));
        }
        first.push(Section::note("What is promised", self.said.join(" ")));
        first.push(Section::table("By radius", &RADII, self.radius_rows()));
        let points: Vec<(f64, bool)> =
            self.images.iter().map(|r| (r.median, r.subject.anomalous() == Some(true))).collect();
        let drawings =
            vec![("medians.svg", "Median scores: grey normal, red anomalous", score_histogram(&points, None, &[]))];
        // The median's bounds have a column for each radius.
        let bounds: Vec<String> =
            self.radii.iter().map(|at| format!("median within {}", number(at.radius))).collect();
        let heads: Vec<&str> = IMAGES.into_iter().chain(bounds.iter().map(String::as_str)).collect();
        let second = vec![Section::table("Images", &heads, self.images.iter().map(|r| row(r, &self.radii)).collect())];
        let title = "Certificate";
        Contents { title, figures, first, drawings, second, settings: Vec::new(), definitions: DEFINITIONS }
    }

    /// As [`RADII`] heads them.
    pub fn radius_rows(&self) -> Vec<Vec<String>> {
        let count = |n: Option<usize>| n.map_or("–".into(), |n| n.to_string());
        let one = |at: &AtRadius| {
            let shares = [at.auroc, at.auroc_together, at.found, at.passed].map(fixed);
            let [auroc, together, found, passed] = shares;
            let (alone, all) = (at.unbounded.to_string(), at.unbounded_together.to_string());
            vec![number(at.radius), auroc, alone, together, all, count(at.certified), found, passed]
        };
        self.radii.iter().map(one).collect()
    }
}

/// The columns of the table by radius.
pub const RADII: [&str; 8] = [
    "l2 radius",
    "certified AUROC",
    "without a bound",
    "for all together",
    "without a bound then",
    "certified verdicts",
    "found",
    "passed",
];

const IMAGES: [&str; 5] = ["image", "defect", "median score", "verdict", "certified radius"];

fn row(r: &CertificateRecord, radii: &[AtRadius]) -> Vec<String> {
    let (verdict, radius) = match r.verdict {
        None => ("–", "–".to_owned()),
        Some(v) => {
            let word = v.anomalous.map_or("abstains", |a| if a { "anomalous" } else { "normal" });
            (word, number(v.radius))
        }
    };
    let end = |b: Option<f64>| b.map_or("none".into(), number);
    let defect = r.subject.defect.clone().unwrap_or("–".into());
    let mut cells = vec![r.subject.name.clone(), defect, number(r.median), verdict.into(), radius];
    let bound = |at: &AtRadius| r.bounds.iter().find(|b| b.radius == at.radius);
    let bounds = |at| bound(at).map_or("–".into(), |b| format!("{} to {}", end(b.lower), end(b.upper)));
    cells.extend(radii.iter().map(bounds));
    cells
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::{record, report};

    #[test]
    fn the_page_shows_radii_verdicts_and_missing_bounds() {
        let mut r = report(vec![
            record("<x>", Some("hole"), 2.0, Some((Some(true), 0.15))),
            record("y", Some("good"), 1.0, Some((None, 0.0))),
        ]);
        r.said.push("Each certificate holds with 99.9 %.".into());
        let page = r.html();
        for text in ["AUROC of the medians", "abstains", "median within 0.2", "1.9 to none", "&lt;x&gt;", "holds with 99.9 %", "0.8000"]
        {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("NaN") && !page.contains("<x>"));
        let bare = report(vec![record("x", None, 1.0, None)]).html();
        assert!(!bare.contains("abstained</li>") && !bare.contains("NaN"));
    }
}
