//! Odd files, what becomes of each, and the sentence that the person reads; the same as a table in
//! `target/remotes/inputs.md`.

use std::fmt::Write as _;
use std::fs;

use rescue::digest::Sha256;

use crate::desk::{Desk, Ended, photo};
use crate::immich::server::{Immich, KEY};
use crate::library::{Library, jpeg, mp4, settle_in};
use crate::pictures::{claiming, clip, jpeg_of, plain_jpeg, png_of, with_date, with_segment};

/// A file's name, its bytes, and what is to become of it.
type Input = (&'static str, Vec<u8>, &'static str);

/// What the program said of a file, in its own words.
fn said(ended: &Ended, name: &str) -> String {
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or("").to_owned();
    let ours = |line: &&serde_json::Value| text(line, "source").ends_with(&format!("/{name}"));
    let mut said = Vec::new();
    for line in ended.lines.iter().filter(ours) {
        match text(line, "type").as_str() {
            "upload_skipped" => said.push(format!("skipped: {}", text(line, "message"))),
            "upload_failed" => said.push(format!("failed: {}", text(line, "message"))),
            "uploaded_as_it_is" => said.push(format!("as it is: {}", text(line, "message"))),
            "copy_uploaded" => said.push(format!("a copy: {}", text(line, "what"))),
            "uploaded" => said.push("sent".to_owned()),
            _ => {}
        }
    }
    said.join("; ")
}

fn head(mark: &[u8]) -> Vec<u8> {
    [mark, &photo(mark.len() + usize::from(mark[0]), 600)].concat()
}

fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    head(&[b"\0\0\0\x18ftyp", &brand[..]].concat())
}

/// Sends the files, and compares what was said with what is expected; all of it goes into the table.
fn table(service: &str, desk: &Desk, options: &[&str], inputs: &[Input]) -> (String, Vec<String>) {
    let ended = desk.upload("photos", options);
    assert!(matches!(ended.code, 0 | 3), "{}", ended.all);
    let (mut rows, mut wrong) = (String::new(), Vec::new());
    for (name, _, expected) in inputs {
        let said = said(&ended, name);
        let size = fs::metadata(desk.path("rescued/data").join(place_of(name)));
        let words = match said.as_str() {
            "" => "not offered: by its ending no photo or video",
            said => said,
        };
        let size = size.unwrap().len();
        let options = options.join(" ");
        writeln!(
            rows,
            "| {service} {options} | `{name}` | {size} | {words} |"
        )
        .unwrap();
        if said != *expected {
            wrong.push(format!("{service} {name}: {said:?}, not {expected:?}"));
        }
    }
    (rows, wrong)
}

/// Where a file is in a rescue folder, below `data/`.
fn place_of(name: &str) -> String {
    format!("internal/DCIM/Camera/{name}")
}

fn rescue(desk: &Desk, inputs: &[Input]) {
    let files = inputs
        .iter()
        .map(|(name, bytes, _)| (place_of(name), bytes.clone()));
    desk.rescue(&files.collect::<Vec<_>>());
    for (name, ..) in inputs {
        let place = desk.path("rescued/data").join(place_of(name));
        let file = fs::File::options().write(true).open(place).unwrap();
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        file.set_modified(date).unwrap();
    }
}

/// Makes a file of a rescue folder as long as is wished, without its bytes taking room.
fn stretch(desk: &Desk, name: &str, size: u64) {
    let below = place_of(name);
    let place = desk.path("rescued/data").join(&below);
    let file = fs::File::options().write(true).open(&place).unwrap();
    file.set_len(size).unwrap();
    let sha256 = match size <= 200 << 20 {
        true => Sha256::of(&fs::read(&place).unwrap()),
        // Nobody reads it.
        false => Sha256::of(name.as_bytes()),
    };
    let catalogue = rusqlite::Connection::open(desk.path("rescued/rescue.db")).unwrap();
    let sql = "UPDATE entry SET size = ?1, sha256 = ?2 WHERE local = ?3";
    let changed = catalogue.execute(sql, (size as i64, sha256.0, &below));
    assert_eq!(changed.unwrap(), 1);
}

fn google(saver: bool) -> Vec<Input> {
    let tiny = jpeg_of(32, 24);
    let dated = with_date(&tiny);
    let large = with_date(&plain_jpeg(4200, 4000));
    let motion = b"http://ns.adobe.com/xap/1.0/\0<x GCamera:MotionPhoto=\"1\"/>";
    let motion = with_segment(&claiming(&dated, 6000, 4000), 0xE1, motion);
    let either = |plain: &'static str, smaller: &'static str| if saver { smaller } else { plain };
    vec![
        ("dated.jpg", dated.clone(), "sent"),
        (
            "large.jpg",
            large.clone(),
            either("sent", "a copy: made smaller, to 16 megapixels; sent"),
        ),
        (
            "hundred megapixels.jpg",
            with_date(&plain_jpeg(10_000, 10_000)),
            either("sent", "a copy: made smaller, to 16 megapixels; sent"),
        ),
        (
            "cut.jpg",
            large[..large.len() / 2].to_vec(),
            either(
                "sent",
                "as it is: not made smaller: the picture is cut off; sent",
            ),
        ),
        (
            "motion.jpg",
            motion,
            either(
                "sent",
                "as it is: not made smaller: a motion photo: its video would be lost; sent",
            ),
        ),
        (
            "bomb.jpg",
            claiming(&dated, 65_535, 65_535),
            either(
                "sent",
                "as it is: not made smaller: it claims more than 300 megapixels; sent",
            ),
        ),
        (
            "progressive.jpg",
            {
                let mut it = claiming(&dated, 9000, 6000);
                let at = it.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
                it[at + 1] = 0xC2;
                it
            },
            either(
                "sent",
                "as it is: not made smaller: a progressive JPEG of this size takes too much memory; sent",
            ),
        ),
        (
            "two pictures.jpg",
            with_segment(&claiming(&dated, 6000, 4001), 0xE2, b"MPF\0II*\0"),
            either(
                "sent",
                "as it is: not made smaller: it holds more than one picture; sent",
            ),
        ),
        (
            "IMG_20240818_093001.jpg",
            tiny.clone(),
            "a copy: with its date, 2024-08-18 09:30:01, from its name; sent",
        ),
        (
            "no date.jpg",
            claiming(&tiny, 33, 24),
            "a copy: with its date, 2023-11-14 22:13:20, from its file's date; sent",
        ),
        (
            "header only.jpg",
            jpeg(3, 600),
            either(
                "as it is: without a date of its own: it begins as a picture, and the rest cannot be read: it may be damaged; sent",
                "as it is: without a date of its own: it begins as a picture, and the rest cannot be read: it may be damaged; not made smaller: it begins as a picture, and the rest cannot be read: it may be damaged; sent",
            ),
        ),
        (
            "heic.heic",
            ftyp(b"heic"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "heif.heif",
            ftyp(b"mif1"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "avif.avif",
            ftyp(b"avif"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "raw.cr3",
            ftyp(b"crx "),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "heic called jpg.jpg",
            ftyp(b"heix"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        ("jpg called png.png", with_date(&jpeg_of(40, 24)), "sent"),
        ("jpg called mp4.mp4", with_date(&jpeg_of(48, 24)), "sent"),
        (
            "gif.gif",
            head(b"GIF89a"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "webp.webp",
            head(b"RIFF\0\0\0\0WEBP"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "bmp.bmp",
            head(b"BM"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "png.png",
            head(b"\x89PNG\r\n\x1a\n"),
            either(
                "as it is: without a date of its own: it begins as a picture, and the rest cannot be read: it may be damaged; sent",
                "as it is: without a date of its own: it begins as a picture, and the rest cannot be read: it may be damaged; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "screenshot.png",
            png_of(1080, 2400),
            "a copy: with its date, 2023-11-14 22:13:20, from its file's date; sent",
        ),
        (
            "tiff.tif",
            head(b"II*\0"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        (
            "raw.dng",
            head(b"MM\0*"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; sent",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; sent",
            ),
        ),
        ("clip.mp4", clip(true), "sent"),
        (
            "clip called jpg.jpg",
            [&clip(true), &b"\0\0\0\x08free"[..]].concat(),
            "sent",
        ),
        (
            "VID_20240818_093001.mp4",
            clip(false),
            "a copy: with its date, 2024-08-18 09:30:01, from its name; sent",
        ),
        (
            "broken.mp4",
            mp4(4, 700),
            "as it is: without a date of its own: it begins as a video, and its header is missing or damaged, as when a recording was cut off; sent",
        ),
        (
            "quick.mov",
            ftyp(b"qt  "),
            "as it is: without a date of its own: it begins as a video, and its header is missing or damaged, as when a recording was cut off; sent",
        ),
        (
            "old.3gp",
            ftyp(b"3gp4"),
            "as it is: without a date of its own: it begins as a video, and its header is missing or damaged, as when a recording was cut off; sent",
        ),
        (
            "film.avi",
            head(b"RIFF\0\0\0\0AVI "),
            "as it is: without a date of its own: rescue can put one into MP4, MOV and 3GP videos only; sent",
        ),
        (
            "film.mkv",
            head(b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska"),
            "as it is: without a date of its own: rescue can put one into MP4, MOV and 3GP videos only; sent",
        ),
        (
            "film.webm",
            head(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm"),
            "skipped: this is a WebM video; Google Photos takes no such file",
        ),
        (
            "webm called mp4.mp4",
            head(b"\x1a\x45\xdf\xa3\x9e\x42\x82\x84webm"),
            "skipped: this is a WebM video; Google Photos takes no such file",
        ),
        (
            "empty.jpg",
            Vec::new(),
            "skipped: the file is empty; Google Photos takes no empty file",
        ),
        (
            "empty.mp4",
            Vec::new(),
            "skipped: the file is empty; Google Photos takes no empty file",
        ),
        (
            "pdf called jpg.jpg",
            head(b"%PDF-1.7"),
            "skipped: this is a PDF document; Google Photos takes no such file",
        ),
        (
            "zip called jpg.jpg",
            head(b"PK\x03\x04"),
            "skipped: this is a zip archive or document; Google Photos takes no such file",
        ),
        (
            "sound called mp4.mp4",
            head(b"ID3\x04"),
            "skipped: this is sound; Google Photos takes no such file",
        ),
        // No picture of a camera: not even offered.
        ("drawing.svg", head(b"<svg"), ""),
        (
            "nonsense.jpg",
            head(b"\x01\x02"),
            either(
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; skipped: refused by Google: NOT_IMAGE: There was an error while trying to create this media item. (code 3)",
                "as it is: without a date of its own: rescue can put one into JPEG and PNG pictures only; not made smaller: only JPEGs are; skipped: refused by Google: NOT_IMAGE: There was an error while trying to create this media item. (code 3)",
            ),
        ),
        (
            "a 'b' & c (1) \u{e9} \u{1f30a}.jpg",
            with_date(&jpeg_of(56, 24)),
            "sent",
        ),
    ]
}

#[test]
fn odd_files_end_as_the_table_says() {
    let mut text =
        String::from("| service | file | bytes | what is said |\n| --- | --- | ---: | --- |\n");
    let mut wrong = Vec::new();
    let mut note = |(rows, more): (String, Vec<String>)| {
        text += &rows;
        wrong.extend(more);
    };
    for (saver, options) in [(false, &[][..]), (true, &["--quality", "storage-saver"])] {
        let (desk, library) = (Desk::new(), Library::start(|_| None));
        settle_in(&desk, &library, true);
        let inputs = google(saver);
        rescue(&desk, &inputs);
        note(table("Google Photos", &desk, options, &inputs));
        library.no_complaints();
    }
    for (options, sizes) in [
        (&[][..], [(200 << 20) + 1, (20_u64 << 30) + 1]),
        (&["--limits", "2018"], [(75 << 20) + 1, (10 << 30) + 1]),
    ] {
        let (desk, library) = (Desk::new(), Library::start(|_| None));
        settle_in(&desk, &library, true);
        let of_2018 = !options.is_empty();
        let either = |now, then| if of_2018 { then } else { now };
        let inputs: Vec<Input> = vec![
            ("edge.jpg", with_date(&jpeg_of(72, 24)), "sent"),
            (
                "hundred megapixels.jpg",
                with_date(&plain_jpeg(10_000, 10_000)),
                "sent",
            ),
            (
                "over.jpg",
                with_date(&jpeg_of(32, 24)),
                either(
                    "skipped: Google Photos takes photos of up to 200 MB; this one has one byte more (209715201)",
                    "skipped: Google Photos takes photos of up to 75 MB; this one has one byte more (78643201)",
                ),
            ),
            (
                "over.mp4",
                clip(true),
                either(
                    "skipped: Google Photos takes videos of up to 20 GB; this one has one byte more (21474836481)",
                    "skipped: Google Photos takes videos of up to 10 GB; this one has one byte more (10737418241)",
                ),
            ),
            (
                "pixels.jpg",
                with_date(&claiming(&jpeg_of(64, 24), 10_001, 10_000)),
                either(
                    "sent",
                    "skipped: this photo has 10001 x 10000 pixels; the limits of 2018 are 100 megapixels",
                ),
            ),
        ];
        rescue(&desk, &inputs);
        stretch(&desk, "edge.jpg", sizes[0] - 1);
        stretch(&desk, "over.jpg", sizes[0]);
        stretch(&desk, "over.mp4", sizes[1]);
        note(table("Google Photos", &desk, options, &inputs));
        assert_eq!(library.items().len(), 2 + usize::from(!of_2018));
        assert!(library.items().iter().any(|item| item.size == sizes[0] - 1));
    }
    let immich = Immich::start((3, 2, 2), |_, _, _| None);
    let desk = Desk::new();
    let mut command = desk.command(&["remote", "add", "photos", "immich", &immich.url()]);
    command.env("RESCUE_REMOTE_SECRET", KEY);
    Ended::of(command.output().unwrap()).expect(0);
    let inputs: Vec<Input> = vec![
        ("dated.jpg", with_date(&jpeg_of(32, 24)), "sent"),
        (
            "large.jpg",
            with_date(&plain_jpeg(4200, 4000)),
            "a copy: made smaller, to 16 megapixels; sent",
        ),
        (
            "heic.heic",
            ftyp(b"heic"),
            "as it is: not made smaller: only JPEGs are; sent",
        ),
        ("clip.mp4", clip(true), "sent"),
        (
            "empty.jpg",
            Vec::new(),
            "skipped: the file is empty: there is no picture in it",
        ),
        (
            "song.opus",
            head(b"OggS"),
            "skipped: Immich does not take .opus files",
        ),
        (
            "no ending",
            head(b"ID3\x04"),
            "skipped: Immich takes no files without an ending",
        ),
    ];
    rescue(&desk, &inputs);
    note(table(
        "Immich",
        &desk,
        &["--quality", "storage-saver"],
        &inputs,
    ));
    immich.was_spoken_to_rightly();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/remotes");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("inputs.md"), text).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
