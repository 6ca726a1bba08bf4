//! What inputs are called, and the names of their folders in the output.
use super::path_text::name_text;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The file's name without its ending; of `.nii.gz` both parts go. What is no UTF-8 is in percent-encoding.
pub(crate) fn stem(path: &Path) -> String {
    let name = name_text(path.file_name().unwrap_or_default());
    let lower = name.to_ascii_lowercase();
    let cut = [".nii.gz", ".nii"].iter().find(|e| lower.ends_with(**e)).map(|e| name.len() - e.len());
    match cut.or_else(|| name.rfind('.')) {
        Some(at) if at > 0 => name[..at].to_owned(),
        _ => name,
    }
}

/// A folder's name for each path and its own name: that name; the file's with its ending where one folder holds a name
/// twice; with as many parent folders before it as it takes (`a__x`, `b__x`); with a number if even that does not help.
pub(super) fn unique_names(named: &[(&Path, &str)]) -> Vec<String> {
    let key = |(path, name): (&Path, &str)| (path.parent().map(Path::to_owned), name.to_lowercase());
    let mut twins: HashMap<_, usize> = HashMap::new();
    for of in named {
        *twins.entry(key(*of)).or_default() += 1;
    }
    let base: Vec<String> = named
        .iter()
        .map(|&(path, name)| match twins[&key((path, name))] {
            1 => name.to_owned(),
            _ => name_text(path.file_name().unwrap_or_default()).replace('.', "_"),
        })
        .collect();
    let mut depth = vec![0; named.len()];
    let mut names: Vec<String> = base.iter().map(|name| tidy(name)).collect();
    loop {
        let count = count_names(&names);
        let mut changed = false;
        for (i, (path, _)) in named.iter().enumerate() {
            if count[&names[i].to_lowercase()] > 1
                && let Some(longer) = with_parents(path, &base[i], depth[i] + 1)
            {
                (names[i], depth[i], changed) = (tidy(&longer), depth[i] + 1, true);
            }
        }
        if !changed {
            break;
        }
    }
    number_the_rest(names)
}

fn count_names(names: &[String]) -> HashMap<String, usize> {
    let mut count = HashMap::new();
    for name in names {
        *count.entry(name.to_lowercase()).or_default() += 1;
    }
    count
}

/// The last `depth` folders and the name; `None` when there are not so many.
fn with_parents(path: &Path, name: &str, depth: usize) -> Option<String> {
    let parents: Vec<_> =
        path.parent()?.components().filter(|c| matches!(c, std::path::Component::Normal(_))).collect();
    let parents = &parents[parents.len().checked_sub(depth)?..];
    Some(parents.iter().map(|c| name_text(c.as_os_str()) + "__").collect::<String>() + name)
}

fn number_the_rest(names: Vec<String>) -> Vec<String> {
    let count = count_names(&names);
    let mut taken: HashSet<String> = names.iter().map(|n| n.to_lowercase()).filter(|n| count[n] == 1).collect();
    let mut next = |name: String| {
        let mut candidate = name.clone();
        let mut n = 1;
        while !taken.insert(candidate.to_lowercase()) {
            n += 1;
            candidate = format!("{name}-{n}");
        }
        candidate
    };
    names.into_iter().map(|name| if count[&name.to_lowercase()] == 1 { name } else { next(name) }).collect()
}

/// A name that is a plain folder on every file system, and none of the files that lie beside the folders.
fn tidy(name: &str) -> String {
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    let mut name: String = name.chars().map(|c| if forbidden(c) { '_' } else { c }).take(200).collect();
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    // The longest name that file systems take is 255 bytes.
    while name.len() > 240 {
        name.pop();
    }
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    if ["results.json", "results.csv", "results.journal", "report.html"].contains(&name.to_lowercase().as_str()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        let stems: Vec<String> = paths.iter().map(|p| stem(Path::new(p))).collect();
        unique_names(&paths.iter().map(Path::new).zip(stems.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        assert_eq!(names(&["d/x.png", "d/y.nii.gz"]), ["x", "y"]);
        assert_eq!(names(&["a/x.png", "b/x.png", "b/y.png"]), ["a__x", "b__x", "y"]);
        assert_eq!(names(&["r/a/1/x.png", "r/b/1/x.png"]), ["a__1__x", "b__1__x"]);
        assert_eq!(names(&["x.png", "a/x.png"]), ["x", "a__x"]);
        assert_eq!(names(&["a/x.png", "a/x.jpg"]), ["x_png", "x_jpg"]);
        assert_eq!(names(&["a/X.png", "b/x.png"]), ["a__X", "b__x"]);
        assert_eq!(names(&["../x.png", "x.png", "/x.png"]), ["x", "x-2", "x-3"]);
        assert_eq!(names(&["a/x.png", "b/x.png", "a__x.png"]), ["a__x", "b__x", "a__x-2"]);
    }

    #[test]
    fn names_are_safe() {
        assert_eq!(
            names(&["a/<b>&\"c.png", "a/report.html.png", "a/...png", "a/n .png"]),
            ["_b_&_c", "report.html_", "_..", "n"].map(|s| s.replace("_..", &tidy("..")))
        );
        assert!(tidy(&"ü".repeat(500)).len() <= 240);
        assert_eq!(tidy("."), "_");
    }
}
