//! A system's settings by name: shown, set, and what each may be.
use super::System;
use crate::detect::settings::{Range, Setting, apply};
use crate::{Error, Result, json};
use serde::Serialize;
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
        let later = matches!(setting.range, Range::DdimSteps(..)) || ["noise_level", "skip"].contains(&setting.name);
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
        match (self, setting.range) {
            (System::Ddad(s), Range::Count(low, _)) if setting.name == "skip" => {
                Range::Count(low, s.t_start.saturating_sub(1))
            }
            _ => self.within(setting, steps, lambda),
        }
    }
    fn within(&self, setting: &Setting, steps: usize, lambda: usize) -> Range {
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
    /// What a setting comes to where it is left to the others; none for one that is given, or has no such rule.
    pub fn left_to_others(&self, name: &str) -> Option<String> {
        let word = |value: Result<Value>| Some(value.ok()?.as_str()?.to_owned());
        match (self, name) {
            (System::Xu(s), "sampler") if s.sampler.is_none() => Some(format!("ddim:{}:0", s.usual_steps())),
            (System::DiffAd(s), "sampler") if s.sampler.is_none() => Some(format!("ddim:{}:0", s.usual_steps())),
            (System::DiffAd(s), "condition") if s.condition.is_none() => word(to_json(&s.condition())),
            (System::Xu(s), "normalisation") if s.normalisation.is_none() => word(to_json(&s.normalisation())),
            (System::Ddad(s), "normalisation") if s.normalisation.is_none() => word(to_json(&s.normalisation())),
            _ => None,
        }
    }
    /// A system's JSON without the settings that change nothing beside the others, for those who read it.
    pub fn in_use(mut json: Value) -> Value {
        if let (Ok(system), Some(all)) = (json::from_value::<System>(&json), json.as_object_mut()) {
            all.retain(|name, _| system.idle(name).is_none());
        }
        json
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

fn to_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::Invalid(e.to_string()))
}
