use super::*;

/// A folder with files of those contents, and what is found in it.
fn find(files: &[(&str, &str)], name: &str) -> Result<Dataset, String> {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let found = Dataset::find(&dir.path().join(name), &Selection::default());
    let found = found.map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""));
    let short = |path: &Path| path.strip_prefix(dir.path()).unwrap().to_owned();
    found.map(|mut set| {
        for sample in &mut set.samples {
            if let Truth::Mask(mask) = &mut sample.truth {
                *mask = short(mask);
            }
            sample.input.path = short(&sample.input.path);
        }
        set
    })
}

/// The mask of each image.
fn masks(set: &Dataset) -> Vec<String> {
    let of = |s: &Sample| match &s.truth {
        Truth::Mask(mask) => format!("{} {}", s.input.path.display(), mask.display()),
        other => format!("{} {other:?}", s.input.path.display()),
    };
    set.samples.iter().map(of).collect()
}

#[test]
fn one_mask_is_not_that_of_two_images() {
    for (files, name, says) in [
        (
            &[("g/good/1.png", "1"), ("g/crack/0.png", "2"), ("g/stain/0.png", "3"), ("g/masks/0.png", "m")][..],
            "g",
            ["g/masks/0.png: would be the mask of two different images", "g/crack/0.png and g/stain/0.png"],
        ),
        (
            &[("good/1.png", "1"), ("bad/f.png", "2"), ("bad/f.bmp", "3"), ("masks/bad/f.png", "m")],
            "",
            ["masks/bad/f.png: would be", "bad/f.bmp and bad/f.png"],
        ),
        (
            &[("l.csv", "path,mask\na.png,m.png\nb.png,./m.png\n"), ("a.png", "a"), ("b.png", "b"), ("m.png", "m")],
            "l.csv",
            ["m.png: would be", "a.png and b.png"],
        ),
    ] {
        let fault = find(files, name).unwrap_err();
        assert!(says.iter().all(|s| fault.replace("./", "").contains(s)), "{fault}");
        // The same picture twice has the same mask.
        let same = files.iter().map(|(f, content)| (*f, if f.ends_with(".csv") { *content } else { "same" }));
        assert!(find(&same.collect::<Vec<_>>(), name).is_ok());
    }
    // Normal images may share one that shows nothing.
    let list = "path,label,mask\na.png,0,m.png\nb.png,0,m.png\n";
    assert!(find(&[("l.csv", list), ("a.png", "a"), ("b.png", "b"), ("m.png", "m")], "l.csv").is_ok());
}

#[test]
fn two_masks_of_one_image_that_differ_are_refused() {
    let files = |second| {
        [("good/1.png", "1"), ("bad/a.png", "2"), ("masks/bad/a.png", "m"), ("ground_truth/bad/a_mask.png", second)]
    };
    let fault = find(&files("n"), "").unwrap_err();
    assert!(
        fault.starts_with("ground_truth/bad/a_mask.png: and masks/bad/a.png are both masks of bad/a.png"),
        "{fault}"
    );
    assert_eq!(masks(&find(&files("m"), "").unwrap())[0], "bad/a.png ground_truth/bad/a_mask.png");
    let beside = [("good/1.png", "1"), ("bad/a.png", "2"), ("masks/bad/a.png", "m"), ("bad/a_mask.png", "n")];
    assert!(find(&beside, "").unwrap_err().contains("are both masks of bad/a.png"));
    // A folder of all masks may hold those of another defect.
    let all =
        [("good/1.png", "1"), ("bad/a.png", "2"), ("hole/a.png", "3"), ("masks/bad/a.png", "m"), ("masks/a.png", "n")];
    assert_eq!(masks(&find(&all, "").unwrap())[..1], ["bad/a.png masks/bad/a.png"]);
}

#[test]
fn masks_are_found_in_the_subfolders_of_their_images() {
    let images = [("good/1.png", "1"), ("bad/s1/a.png", "2"), ("bad/s2/a.png", "3"), ("bad/b.png", "4")];
    let with = |masks: &[(&'static str, &'static str)]| find(&[&images[..], masks].concat(), "");
    let found =
        with(&[("masks/bad/s1/a.png", "m"), ("masks/bad/s2/a_mask.png", "n"), ("masks/bad/b.png", "o")]).unwrap();
    let wanted =
        ["bad/b.png masks/bad/b.png", "bad/s1/a.png masks/bad/s1/a.png", "bad/s2/a.png masks/bad/s2/a_mask.png"];
    assert_eq!(masks(&found)[..3], wanted);
    let found = with(&[("bad/s1/a_mask.png", "m"), ("bad/s2/a_mask.png", "n"), ("bad/b_mask.png", "o")]).unwrap();
    assert_eq!(masks(&found)[1..3], ["bad/s1/a.png bad/s1/a_mask.png", "bad/s2/a.png bad/s2/a_mask.png"]);
    assert!(
        with(&[("masks/bad/a.png", "m"), ("masks/bad/b.png", "o")]).unwrap_err().contains("would be the mask of two")
    );
    assert!(
        with(&[("masks/bad/s1/a.png", "m"), ("masks/bad/b.png", "o")]).unwrap_err().contains("s2/a.png: has no mask")
    );
    let own = find(&[("good/1.png", "1"), ("bad/a.png", "2"), ("bad/masks/a.png", "m")], "").unwrap();
    assert_eq!(masks(&own)[0], "bad/a.png bad/masks/a.png");
}

#[test]
fn folders_that_nobody_sorted_are_no_defect() {
    for name in ["unlabeled", "Unlabelled", "unknown", "ignore", "unsorted", "misc"] {
        let fault = find(&[("good/1.png", "1"), ("bad/2.png", "2"), (&format!("{name}/3.png"), "3")], "").unwrap_err();
        assert!(
            fault.contains(&format!("folder `{name}` would be taken")) && fault.contains("CSV manifest"),
            "{fault}"
        );
    }
    let list = [("l.csv", "path,defect\na.png,unknown\n"), ("a.png", "a")];
    assert!(find(&list, "l.csv").unwrap_err().contains("line 2: defect `unknown` says of no image"));
}

#[test]
fn images_in_two_splits_of_a_list_are_told() {
    let files = [("a.png", "a"), ("b.png", "b"), ("c.png", "b"), ("d.png", "a")];
    let notes = |text: &str| find(&[&files[..], &[("l.csv", text)]].concat(), "l.csv").unwrap().notes.join("; ");
    let head = "path,label,split\na.png,0,test\nb.png,1,test\n";
    let same = notes(&format!("{head}a.png,0,train\n"));
    assert!(same.contains("1 image stands in training as well, byte for byte the same"), "{same}");
    let equal = notes(&format!("{head}c.png,0,val\n"));
    assert!(equal.contains("1 image stands in another split as well, byte for byte the same"), "{equal}");
    let itself = notes(&format!("{head}b.png,0,val\nd.png,0,train\n"));
    assert!(itself.contains("in another split") && itself.contains("in training as well"), "{itself}");
    assert!(!notes(head).contains("as well"));
}
