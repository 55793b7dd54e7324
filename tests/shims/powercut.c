/*
 * Cuts the power of an ext4 volume: `powercut DIRECTORY`. Nothing is written any more from now on, neither data
 * nor the file system's own journal (EXT4_GOING_FLAGS_NOLOGFLUSH), and whoever tries gets EIO. What was not
 * written by then is gone when the volume is unmounted and mounted again.
 */
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, __u32)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

int main(int count, char **arguments) {
    __u32 how = EXT4_GOING_FLAGS_NOLOGFLUSH;
    int directory = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;
    if (directory < 0 || ioctl(directory, EXT4_IOC_SHUTDOWN, &how) != 0) {
        perror("powercut");
        return 1;
    }
    return 0;
}
