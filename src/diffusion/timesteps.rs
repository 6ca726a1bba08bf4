//! Which of the training steps a chain visits.
use super::schedule::MAX_STEPS;
use crate::{Error, Result};

/// Timesteps in falling order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timesteps {
    /// t of each step, strictly falling.
    pub list: Vec<usize>,
    /// DDIM goes from t to t − stride (diffusers' `T // N`, which need not be in the list); to the next entry when none.
    pub stride: Option<usize>,
}

fn invalid<T>(fault: String) -> Result<T> {
    Err(Error::Invalid(fault))
}

fn count(total: usize, steps: usize) -> Result<()> {
    if steps == 0 || steps > total || total > MAX_STEPS {
        return invalid(format!("{steps} steps cannot be taken from a schedule of {total}"));
    }
    Ok(())
}

impl Timesteps {
    /// Any list.
    /// # Errors
    /// [`Error::Invalid`] when it is empty or does not fall strictly.
    pub fn listed(list: Vec<usize>) -> Result<Self> {
        if list.is_empty() || list.windows(2).any(|w| w[0] <= w[1]) {
            return invalid(format!("timesteps must fall strictly, unlike {list:?}"));
        }
        Ok(Timesteps { list, stride: None })
    }

    /// λ−1, …, 1, 0: every step below `lambda`.
    /// # Errors
    /// [`Error::Invalid`] when `lambda` is 0 or past any schedule.
    pub fn all(lambda: usize) -> Result<Self> {
        count(lambda, lambda)?;
        Self::listed((0..lambda).rev().collect())
    }

    /// `steps` entries from λ−1 to 0, evenly spread and rounded (halves up): `(λ−1)(S−1−i)/(S−1)`; one step is λ−1 alone.
    /// # Errors
    /// [`Error::Invalid`] unless 1 ≤ steps ≤ λ.
    pub fn descending(lambda: usize, steps: usize) -> Result<Self> {
        count(lambda, steps)?;
        if steps == 1 {
            return Self::listed(vec![lambda - 1]);
        }
        let gaps = steps - 1;
        Self::listed((0..steps).rev().map(|k| (2 * (lambda - 1) * k + gaps) / (2 * gaps)).collect())
    }

    /// diffusers' "leading": multiples of `total / steps`, plus `offset`.
    /// # Errors
    /// [`Error::Invalid`] for no or too many steps, and when the offset leads past the schedule's end.
    pub fn leading(total: usize, steps: usize, offset: usize) -> Result<Self> {
        count(total, steps)?;
        let stride = total / steps;
        if ((steps - 1) * stride).saturating_add(offset) >= total {
            return invalid(format!("an offset of {offset} leads past the last of {total} timesteps"));
        }
        Ok(Timesteps { list: (0..steps).rev().map(|i| i * stride + offset).collect(), stride: Some(stride) })
    }

    /// latent-diffusion's "uniform": every `total / steps`-th from 1 on. Where `steps` does not divide `total` these are more than were
    /// asked for, as there (`make_ddim_timesteps`).
    /// # Errors
    /// [`Error::Invalid`] for no or too many steps, and where the first of them is past the schedule, as with 1000 of 1000.
    pub fn uniform(total: usize, steps: usize) -> Result<Self> {
        count(total, steps)?;
        let stride = total / steps;
        let list: Vec<usize> = (0..total).step_by(stride).map(|t| t + 1).rev().collect();
        if list.first().is_some_and(|&t| t >= total) {
            return invalid(format!("{steps} steps of {total} begin at step {total}, which is past the last"));
        }
        Ok(Timesteps { list, stride: Some(stride) })
    }

    /// diffusers' "trailing": from `total` down by `total / steps`, rounded, less one.
    /// # Errors
    /// [`Error::Invalid`] for no or too many steps.
    pub fn trailing(total: usize, steps: usize) -> Result<Self> {
        count(total, steps)?;
        // np.arange: its length by the exact ratio, its values by the difference of the first two.
        let (start, ratio) = (total as f64, total as f64 / steps as f64);
        let down = start - (start - ratio);
        let entries = (start / ratio).ceil() as usize;
        let at = |i: usize| (start - i as f64 * down).round_ties_even() - 1.0;
        let list = (0..entries).map(at).filter(|t| *t >= 0.0).map(|t| t as usize).collect();
        Ok(Timesteps { stride: Some(total / steps), ..Self::listed(list)? })
    }

    /// diffusers' "linspace": from total−1 to 0, rounded; one step is 0 alone.
    /// # Errors
    /// [`Error::Invalid`] for no or too many steps.
    pub fn linspace(total: usize, steps: usize) -> Result<Self> {
        count(total, steps)?;
        let gap = if steps > 1 { (total - 1) as f64 / (steps - 1) as f64 } else { 0.0 };
        let at =
            |i: usize| if i > 0 && i == steps - 1 { total - 1 } else { (i as f64 * gap).round_ties_even() as usize };
        Ok(Timesteps { stride: Some(total / steps), ..Self::listed((0..steps).rev().map(at).collect())? })
    }

    /// guided-diffusion's respacing: "ddimN" (the smallest stride that gives exactly N), "N", or "a,b,c" (that many from
    /// each of as many equal sections). The network is fed these original indices.
    /// # Errors
    /// [`Error::Invalid`] for another text, a count that no stride gives, or more steps than a section has.
    pub fn respaced(total: usize, spacing: &str) -> Result<Self> {
        count(total, total)?;
        let number = |s: &str| match s.trim().parse::<usize>() {
            Ok(n) => Ok(n),
            Err(_) => invalid(format!("`{spacing}` is neither `ddimN` nor a list of counts")),
        };
        if let Some(n) = spacing.strip_prefix("ddim") {
            let n = number(n)?;
            let Some(stride) = (1..total).find(|&i| total.div_ceil(i) == n) else {
                let counts = || (1..total).map(|i| total.div_ceil(i));
                let (below, above) = (counts().filter(|&m| m < n).max(), counts().filter(|&m| m > n).min());
                let near = [below, above].into_iter().flatten().map(|m| m.to_string()).collect::<Vec<_>>().join(" or ");
                return invalid(format!("no stride takes exactly {n} steps from {total}; the nearest is {near}"));
            };
            return Self::listed((0..n).rev().map(|i| i * stride).collect());
        }
        let counts = spacing.split(',').map(number).collect::<Result<Vec<_>>>()?;
        let (mut list, mut start) = (Vec::new(), 0);
        for (i, &n) in counts.iter().enumerate() {
            let size = total / counts.len() + usize::from(i < total % counts.len());
            if n > size {
                return invalid(format!("a section of {size} timesteps cannot give {n} (in `{spacing}` of {total})"));
            }
            let stride = if n > 1 { (size - 1) as f64 / (n - 1) as f64 } else { 1.0 };
            // Summed up as the original does, so that its rounding is met.
            let mut at = 0.0f64;
            for _ in 0..n {
                list.push(start + at.round_ties_even() as usize);
                at += stride;
            }
            start += size;
        }
        list.dedup();
        list.reverse();
        Self::listed(list)
    }

    /// Only the entries below `lambda`: the chain of an image that was noised to `lambda` − 1.
    /// # Errors
    /// [`Error::Invalid`] when none is left.
    pub fn below(mut self, lambda: usize) -> Result<Self> {
        self.list.retain(|&t| t < lambda);
        if self.list.is_empty() {
            return invalid(format!("no timestep of the chain is below {lambda}"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(t: &Timesteps) -> (usize, usize) {
        (t.list.len(), t.list.iter().sum())
    }

    #[test]
    fn spacings_of_diffusers() {
        // DDIMScheduler.set_timesteps of diffusers 0.42.1.
        let lead = |t, n| Timesteps::leading(t, n, 0).unwrap();
        assert_eq!(lead(1000, 7).list, [852, 710, 568, 426, 284, 142, 0]);
        assert_eq!(lead(100, 8).list, [84, 72, 60, 48, 36, 24, 12, 0]);
        assert_eq!((sum(&lead(1000, 30)), lead(1000, 30).stride), ((30, 14355), Some(33)));
        assert_eq!(Timesteps::leading(1000, 3, 1).unwrap().list, [667, 334, 1]);
        let trail = |t, n| Timesteps::trailing(t, n).unwrap();
        assert_eq!(trail(1000, 7).list, [999, 856, 713, 570, 428, 285, 142]);
        assert_eq!(trail(100, 8).list, [99, 87, 74, 61, 49, 37, 24, 11]);
        assert_eq!((sum(&trail(1000, 30)), sum(&trail(250, 50))), ((30, 15470), (50, 6325)));
        let lin = |t, n| Timesteps::linspace(t, n).unwrap();
        assert_eq!(lin(1000, 7).list, [999, 832, 666, 500, 333, 166, 0]);
        assert_eq!(lin(100, 8).list, [99, 85, 71, 57, 42, 28, 14, 0]);
        assert_eq!((sum(&lin(1000, 30)), sum(&lin(250, 50))), ((30, 14985), (50, 6225)));
        assert_eq!(lin(1000, 1).list, [0]);
    }

    #[test]
    fn spacings_of_latent_diffusion() {
        // `np.asarray(list(range(0, T, T // S))) + 1`, reversed.
        let uniform = |t, n| Timesteps::uniform(t, n).unwrap();
        assert_eq!(uniform(1000, 10).list, [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]);
        assert_eq!((sum(&uniform(1000, 50)), uniform(1000, 50).stride), ((50, 24550), Some(20)));
        assert_eq!((sum(&uniform(1000, 30)), uniform(1000, 30).list[0]), ((31, 15376), 991));
        assert_eq!(uniform(12, 5).list, [11, 9, 7, 5, 3, 1]);
        for (total, steps) in [(1000, 0), (1000, 1001), (1000, 1000), (1000, 501), (1000, 333), (1000, 111), (10, 3)] {
            assert!(Timesteps::uniform(total, steps).is_err(), "{steps} of {total}");
        }
    }

    #[test]
    fn respacing_of_guided_diffusion() {
        // space_timesteps: count and sum.
        for (total, spacing, want) in [
            (1000, "ddim25", (25, 12000)),
            (1000, "ddim250", (250, 124500)),
            (1000, "10,15,20", (45, 25825)),
            (1000, "250", (250, 124875)),
            (1000, "7", (7, 3496)),
            (300, "10,15,20", (45, 7727)),
            (1000, "1", (1, 0)),
            (100, "3,1", (4, 123)),
        ] {
            assert_eq!(sum(&Timesteps::respaced(total, spacing).unwrap()), want, "{spacing} of {total}");
        }
        for spacing in ["ddim300", "ddim0", "", "a", "2000", "0", "5,,5", "ddim-1"] {
            assert!(Timesteps::respaced(1000, spacing).is_err(), "{spacing}");
        }
    }

    #[test]
    fn chains_of_detectors() {
        assert_eq!(Timesteps::all(3).unwrap().list, [2, 1, 0]);
        assert_eq!(Timesteps::descending(200, 5).unwrap().list, [199, 149, 100, 50, 0]);
        assert_eq!(Timesteps::descending(200, 1).unwrap().list, [199]);
        assert_eq!(Timesteps::descending(7, 7).unwrap(), Timesteps::all(7).unwrap());
        assert!(Timesteps::descending(3, 4).is_err() && Timesteps::all(0).is_err());
        assert_eq!(Timesteps::leading(1000, 10, 0).unwrap().below(300).unwrap().list, [200, 100, 0]);
        assert!(Timesteps::leading(10, 10, 1).is_err() && Timesteps::listed(vec![1, 1]).is_err());
    }
}
