/* SPDX-License-Identifier: Apache-2.0
 *
 * See elf.h. The segments that are to be mapped must lie within the file.
 */
#include "pool/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cnode/error.h>

static bool read_at(int fd, void *out, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX &&
           pread(fd, out, size, (off_t)offset) == (ssize_t)size;
}

static bool is_ours(const Elf64_Ehdr *head)
{
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_ident[EI_CLASS] == ELFCLASS64 &&
           head->e_ident[EI_DATA] == ELFDATA2LSB &&
           head->e_phentsize == sizeof(Elf64_Phdr);
}

/* The end of what the headers say is in the file; UINT64_MAX when they are
 * not there themselves. */
static uint64_t needed_bytes(int fd, const Elf64_Ehdr *head)
{
    uint64_t needed = 0;

    for (unsigned i = 0; i < head->e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t end;

        if (!read_at(fd, &segment, sizeof(segment),
                     head->e_phoff + i * sizeof(segment)) ||
            __builtin_add_overflow(segment.p_offset, segment.p_filesz, &end)) {
            return UINT64_MAX;
        }
        if (segment.p_type == PT_LOAD && end > needed) {
            needed = end;
        }
    }
    return needed;
}

static int check_file(int fd, const char *path, struct buf *why)
{
    struct stat status;
    Elf64_Ehdr head;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        !read_at(fd, &head, sizeof(head), 0) || !is_ours(&head) ||
        needed_bytes(fd, &head) <= (uint64_t)status.st_size) {
        return 0;
    }
    buf_printf(why,
               "%s is not complete: it has %llu bytes, less than its headers "
               "say; build or copy it again",
               path, (unsigned long long)status.st_size);
    return CNODE_PLUGIN;
}

int elf_check(const char *path, struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc;

    if (fd < 0) {
        return 0;
    }
    rc = check_file(fd, path, why);
    close(fd);
    return rc;
}
