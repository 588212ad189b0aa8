"""The one seam to what differs between Linux, macOS and Windows; it imports nothing of ours.

| what | Linux | macOS | Windows |
|---|---|---|---|
| a file's bytes on the disk | fsync | F_FULLFSYNC (fsync stops at the disk's cache) | fsync |
| a folder's entries on the disk | fsync | fsync | no such call; none is needed |
| does a process live, and is it the same | signal 0 and /proc | signal 0; its start is not known | not known |
| signals that ask to end | INT, TERM, HUP | the same | INT, TERM, BREAK |
| end a process without asking it | KILL | KILL | TerminateProcess |
| after a fork, in the child | register_at_fork | the same | there is no fork |
| pseudo terminals | pty | pty | none: serial instruments are not served |
| take a TCP address for one's own | REUSEADDR | REUSEADDR | EXCLUSIVEADDRUSE |
| acknowledge at once | TCP_QUICKACK | the system's own | the system's own |
| keep a UDP socket on loopback | BINDTODEVICE | not possible, said so | not possible, said so |
| who listens where | /proc/net | not known | not known |
| kind of file system | /proc/self/mountinfo | `mount` is not asked: not known | drive letter or \\\\share |
| most open files | getrlimit | getrlimit | not known |
| is the clock kept by NTP | adjtimex | not known | not known |
| files that only their owner reads | mode 0600 | mode 0600 | the rights of the folder |

"Not known" is None, and whoever asks says so. The branches of macOS and Windows run in tests with replaced modules
only; nothing was tried on those systems.
"""
