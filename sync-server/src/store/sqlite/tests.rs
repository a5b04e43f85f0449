use tempfile::TempDir;

use super::*;
use crate::store::suite;

/// Runs a test of the suite on a file and in memory.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            let folder = TempDir::new().unwrap();
            suite::$name(&SqliteStore::open(folder.path()).unwrap()).await;
            suite::$name(&SqliteStore::in_memory().unwrap()).await;
        }
    )*};
}

suite!(what_is_appended_is_read_back);
