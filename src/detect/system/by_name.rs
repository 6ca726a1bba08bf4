//! A system's settings by name: shown, set, and what each may be.
use super::System;
use crate::detect::settings::{Range, Setting, apply};
use crate::{Error, Result, json};
use serde_json::Value;

impl System {
    /// The value of a setting, in words.
    pub fn value(&self, setting: &Setting) -> String {
        setting.show(&serde_json::to_value(self).unwrap_or_default())
    }
    /// Sets a setting from its text. Ranges that hang together with other settings are checked by [`System::check`].
    /// # Errors
    /// [`Error::Invalid`] for a name that the system does not have, listing those that it has, and for a value that does not fit.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let Some(setting) = self.settings().iter().find(|s| s.name == name) else {
            let names: Vec<&str> = self.settings().iter().map(|s| s.name).collect();
            let fault = format!("{} has no setting `{name}`; it has {}", self.title(), names.join(", "));
            return Err(Error::Invalid(fault));
        };
        let invalid = |fault: String| Error::Invalid(format!("`{name}` cannot be `{text}`: {fault}"));
        let mut all = serde_json::to_value(&*self).map_err(|e| invalid(e.to_string()))?;
        // Steps may come before the level that leaves room for them, a level before its respacing: `check` holds them together.
        let later = matches!(setting.range, Range::DdimSteps(..)) || setting.name == "noise_level";
        let range = if later { setting.range } else { self.range(setting) };
        apply(&Setting { range, ..*setting }, &mut all, text).map_err(invalid)?;
        *self = json::from_value(&all).map_err(invalid)?;
        Ok(())
    }
    /// What a setting may be, as far as the other settings allow: lambda ends with the schedule, DDIM's steps with lambda.
    pub fn range(&self, setting: &Setting) -> Range {
        let (steps, lambda) = match self {
            System::AnoDdpm(s) => (s.schedule.train_steps, s.lambda),
            System::Pddpm(s) => (s.schedule.train_steps, s.lambda),
            System::Wolleb(s) => return s.range(setting),
            System::AdvRad(s) => (s.schedule.train_steps, s.k + 1),
            System::Pinaya(s) => (s.schedule.train_steps, s.start + 1),
            // Every second step: with a stride of one, latent-diffusion's steps lead past the schedule.
            System::DiffAd(s) => (s.schedule.train_steps, (s.schedule.train_steps / 2).max(1)),
            System::Xu(s) => (s.schedule.train_steps, s.most_steps()),
            System::Ddad(s) => (s.schedule.train_steps, 0),
            System::Dte(_) => return setting.range,
        };
        match setting.range {
            Range::Count(low, high)
                if ["k", "start", "band.first", "band.last", "condition_step", "t_start"].contains(&setting.name) =>
            {
                Range::Count(low, high.min(steps.saturating_sub(1)))
            }
            Range::Count(low, high) if setting.name == "lambda" => Range::Count(low, high.min(steps)),
            Range::DdimSteps(low, high) => Range::DdimSteps(low, high.min(lambda)),
            other => other,
        }
    }
    /// The settings that maps and scores depend on, as JSON, those left out that are as published.
    pub(in crate::detect) fn chosen(&self) -> Value {
        let published = System::named(self.method()).and_then(|s| to_json(&s));
        let mut all = to_json(self).unwrap_or_default();
        if let (Some(all), Ok(published)) = (all.as_object_mut(), published) {
            all.retain(|key, value| key == "method" || published.get(key) != Some(value));
            // How masks are cut changes neither maps nor scores.
            all.remove("otsu");
        }
        all
    }
}

fn to_json(system: &System) -> Result<Value> {
    serde_json::to_value(system).map_err(|e| Error::Invalid(e.to_string()))
}
