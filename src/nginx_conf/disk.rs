#![expect(clippy::disallowed_methods, reason = "the loader that reads nginx.conf from disk")]
//! The configuration of this host: files and folders on disk.

use std::fs::File;
use std::io::Read;

use super::pattern::{OPTIONS, invalid, is_hidden_from, without_double_stars};
use super::tree::{Loader, MAX_BYTES, MAX_FILES, printable};
use crate::error::{Error, Result};

/// Reads from disk; relative paths start at the working directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskLoader;

impl Loader for DiskLoader {
    /// Reads one byte more than a configuration may have at most: enough to see that it is too large, also for a
    /// device that never ends.
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text))
            .map_err(|error| Error::io(printable(path), &error))?;
        Ok(text)
    }

    /// Folders that cannot be listed are passed over, as glob(3) does. Stops one path after the most that may be
    /// included.
    fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        let paths = glob::glob_with(&without_double_stars(pattern), OPTIONS)
            .map_err(|error| invalid(pattern, &error))?;
        let mut found: Vec<String> = paths
            .filter_map(std::result::Result::ok)
            .map(|path| path.to_string_lossy().into_owned())
            .filter(|path| !is_hidden_from(last_part(pattern), last_part(path)))
            .take(MAX_FILES + 1)
            .collect();
        found.sort_unstable();
        Ok(found)
    }
}

/// What stands after the last `/`.
fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::nginx_conf::NginxConf;

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn includes_start_at_the_folder_of_the_main_file_and_come_in_byte_order() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(&folder, "nginx.conf", "http { include conf.d/*.conf; include none/*; }");
        write(&folder, "conf.d/b.conf", "log_format b '$status'; include snippets/c;");
        write(&folder, "conf.d/B.conf", "log_format B '$status';");
        write(&folder, "conf.d/.hidden.conf", "log_format hidden '$status';");
        write(&folder, "conf.d/.conf", "log_format hidden '$status';");
        write(&folder, "conf.d/sub/d.conf", "log_format d '$status';");
        write(&folder, "snippets/c", "log_format c '$status';");
        let conf = NginxConf::load(&main, &DiskLoader).unwrap();
        let names: Vec<&str> = conf.log_formats.iter().map(|format| &*format.name).collect();
        assert_eq!(names, ["B", "b", "c"]);
        assert!(conf.log_formats[2].place.source.ends_with("/snippets/c"));
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it_and_the_include() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(&folder, "nginx.conf", "a;\n  include mime.types;");
        let error = NginxConf::load(&main, &DiskLoader).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let missing = main.replace("nginx.conf", "mime.types");
        let message = format!("{main}:2:3: include: {missing}: No such file or directory");
        assert_eq!(error.message(), message);
        assert!(error.hint().unwrap().contains("nginx -T"));
    }

    #[test]
    fn a_missing_main_file_is_an_error_that_names_it() {
        let error = NginxConf::load("/nowhere/nginx.conf", &DiskLoader).unwrap_err();
        assert_eq!(error.message(), "/nowhere/nginx.conf: No such file or directory");
    }

    #[test]
    fn a_device_that_never_ends_is_too_large() {
        let error = NginxConf::load("/dev/zero", &DiskLoader).unwrap_err();
        assert!(error.message().contains("too large: more than 64 MiB"), "{error}");
    }

    #[test]
    fn two_stars_do_not_walk_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "a/b/c.conf", "");
        write(&folder, "a/d.conf", "");
        let pattern = format!("{}/**/*.conf", folder.path().display());
        let found = DiskLoader.glob(&pattern).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("/a/d.conf"));
    }
}
