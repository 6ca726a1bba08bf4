//! What a detection takes for granted, in sentences for those who read its results.
use super::config::{InputConfig, NoisePer, ScoreConfig};
use super::{DetectorConfig, System};
use crate::data::{Over, Scaling};

impl DetectorConfig {
    /// How values are scaled, what is foreground, and what the score is.
    pub fn taken(&self) -> Vec<String> {
        let mut said: Vec<String> = self.input.iter().map(values).collect();
        if self.system.has_map() {
            said.push(format!("The score is {}.", self.score_in_words()));
        }
        if let System::Wolleb(system) = &self.system {
            said.extend(system.taken());
        }
        if let System::Pinaya(system) = &self.system {
            said.extend(system.taken());
        }
        if let System::DiffAd(system) = &self.system {
            said.extend(system.taken(self.input.as_ref()));
        }
        match &self.system {
            System::Xu(system) => said.extend(system.taken()),
            System::Ddad(system) => said.extend(system.taken()),
            _ => {}
        }
        if self.system.has_map() && self.system.draws_noise() && self.system.noise_per() == NoisePer::Image {
            said.push(
                "Each image has a noise of its own, drawn by the seed and the file's name (`noise_per` is image): the same image under \
                 another name, or with another --seed, has a slightly different score."
                    .into(),
            );
        }
        if self.reads_foregrounds() {
            said.push("The foreground is the file NAME_mask beside an image or, without one, what lies above its lowest value.".into());
        }
        said
    }

    fn score_in_words(&self) -> String {
        match self.score {
            ScoreConfig::Max => "the greatest value of the map".into(),
            ScoreConfig::Mean => "the mean of the map".into(),
            ScoreConfig::Top { fraction } => format!("the mean of the greatest {} % of the map", percent(fraction)),
            ScoreConfig::Foreground => "the mean of the map over the foreground".into(),
            ScoreConfig::Window { side } => {
                format!(
                    "the greatest mean of {side}x{side} pixels of the map at the networks' size, with zeros around it"
                )
            }
        }
    }
}

/// From the values of a file to those of the network.
fn values(input: &InputConfig) -> String {
    let of = |over: Over| match over {
        Over::Image => "each image",
        Over::Volume => "each volume",
        Over::Mask => "each volume's foreground",
    };
    let from = match input.scaling {
        Scaling::Fixed {} => "the full range of a file's format".to_owned(),
        Scaling::MinMax { over } => format!("the least to the greatest of {}", of(over)),
        Scaling::Percentiles { low, high, over } => format!("percentile {low} to {high} of {}", of(over)),
    };
    format!("Values: {from} became the network's {} to {}.", input.range[0], input.range[1])
}

/// A share in percent, without the digits that only binary fractions have.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_granted_is_said() {
        let mut config = DetectorConfig::as_published(InputConfig::square(64, 1));
        let wanted = [
            "Values: the full range of a file's format became the network's -1 to 1.",
            "The score is the mean of the map.",
        ];
        assert_eq!(config.taken(), wanted);
        config.score = ScoreConfig::Top { fraction: 0.07 };
        let input = config.input.as_mut().unwrap();
        input.scaling = Scaling::Percentiles { low: 0.5, high: 99.0, over: Over::Mask };
        let said = config.taken();
        assert_eq!(said[0], "Values: percentile 0.5 to 99 of each volume's foreground became the network's -1 to 1.");
        assert_eq!(said[1], "The score is the mean of the greatest 7 % of the map.");
        assert!(said[2].contains("NAME_mask"));
        for (method, drawn) in [("ddad", true), ("diffad", true), ("xu", false)] {
            config.system = System::named(method).unwrap();
            assert_eq!(config.taken().iter().any(|s| s.contains("under another name")), drawn, "{method}");
        }
        let rows = DetectorConfig::new("rows", None, System::named("dte").unwrap());
        assert!(rows.taken().is_empty());
    }
}
