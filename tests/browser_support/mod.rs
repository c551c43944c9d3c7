//! A headless browser to look at reports with: `chromium` (`TVM_DLA_CHROMIUM` names another). Without one a test says so
//! and ends, unless `REQUIRE_CHROMIUM=1`. `KEEP_SCREENSHOTS=folder` keeps the pictures.
#![allow(dead_code)] // each test program uses its part

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("TVM_DLA_CHROMIUM").map(PathBuf::from);
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    named
        .into_iter()
        .chain(known.map(PathBuf::from))
        .find(|p| p.is_file())
}

/// Whether there is a browser; says so when there is none.
pub fn is_there() -> bool {
    let found = chromium().is_some();
    if !found {
        assert!(
            std::env::var_os("REQUIRE_CHROMIUM").is_none(),
            "chromium is required"
        );
        eprintln!("SKIPPED: no chromium; apt-get install chromium");
    }
    found
}

pub fn browse(folder: &Path, arguments: &[String]) -> std::process::Output {
    let mut command = Command::new(chromium().unwrap());
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]);
    command.arg("--host-resolver-rules=MAP * ~NOTFOUND");
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.args(arguments).output().unwrap()
}

/// The page as a reader in light and dark sees it: painted, and on the right background.
pub fn light_and_dark(folder: &Path, page: &Path, height: u32) {
    let url = format!("file://{}", page.display());
    let mut backgrounds = Vec::new();
    for (name, scheme) in [("light", 1), ("dark", 0)] {
        let picture = folder.join(format!("{name}.png"));
        let arguments = [
            format!("--screenshot={}", picture.display()),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            format!("--window-size=1000,{height}"),
            url.clone(),
        ];
        browse(folder, &arguments);
        let pixels = image::open(&picture).unwrap().to_rgb8();
        let colours: std::collections::HashSet<_> = pixels.pixels().map(|p| p.0).collect();
        assert!(colours.len() > 50, "{name} is blank");
        backgrounds.push(pixels.get_pixel(2, 2).0);
        keep(&picture);
    }
    assert!(
        backgrounds[0][0] > 200 && backgrounds[1][0] < 60,
        "{backgrounds:?}"
    );
}

/// In a frame as wide as a phone, the page is no wider than the frame.
pub fn phone(folder: &Path, report: &str) {
    let measure = "<script>document.title='wide '+document.documentElement.scrollWidth</script></body>";
    std::fs::write(
        folder.join("inner.html"),
        report.replace(
            "</body>",
            &measure.replace("document.title", "parent.document.title"),
        ),
    )
    .unwrap();
    let outer = "<!doctype html><body style='margin:0'><iframe src='inner.html' style='border:0;width:390px;height:1500px'></iframe></body>";
    let file = folder.join("phone.html");
    std::fs::write(&file, outer).unwrap();
    let url = format!("file://{}", file.display());
    let free = "--allow-file-access-from-files".to_string();
    let dom = browse(folder, &[free.clone(), "--dump-dom".into(), url.clone()]);
    let dom = String::from_utf8_lossy(&dom.stdout).into_owned();
    assert!(dom.contains("<title>wide 390</title>"), "{dom}");
    let picture = folder.join("phone.png");
    browse(
        folder,
        &[
            free,
            format!("--screenshot={}", picture.display()),
            "--window-size=500,1500".into(),
            url,
        ],
    );
    keep(&picture);
}

pub fn keep(picture: &Path) {
    if let Some(folder) = std::env::var_os("KEEP_SCREENSHOTS") {
        std::fs::copy(picture, Path::new(&folder).join(picture.file_name().unwrap())).unwrap();
    }
}
