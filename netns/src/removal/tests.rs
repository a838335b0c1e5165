use pretty_assertions::assert_eq;

use super::*;

#[test]
fn mount_points_below_a_folder_are_found_even_with_escaped_names() {
    let mountinfo = "22 1 0:21 / / rw - ext4 /dev/vda rw\n\
                     30 22 0:26 / /run/sidelab/sl-0001/a\\040b\\134c rw,relatime shared:5 - tmpfs tmpfs rw\n\
                     31 22 0:27 / /run/sidelab/sl-00011 rw - tmpfs tmpfs rw\n\
                     32 22 0:28 / /run/sidelab/sl-0001 rw - tmpfs tmpfs rw\n";
    let found = mounts_below(mountinfo, Path::new("/run/sidelab/sl-0001"));
    assert_eq!(found, [PathBuf::from("/run/sidelab/sl-0001/a b\\c")]);
}
