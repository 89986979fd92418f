// cutfs MOUNTPOINT: a file system in memory that keeps only what was made durable, and fails when it is told to.
//
// Every file has two contents, live and durable; every directory two lists of names. fsync of a file copies what was written
// to it since the last one, fsync of a directory copies the names. Nothing else does: not O_DSYNC, of which many daemons know
// nothing. An fsync that fails forgets what it was to copy, so that a second one proves nothing, as with disks.
// Commands are lines on standard input, each answered by a line "ok":
//   fail OPERATION ERRNO AFTER   the next OPERATION but AFTER fails once with ERRNO: write, fsync, fsyncdir
//   refuse TEXT ERRNO            the next write that contains TEXT fails once with ERRNO
//   short                        the next write of more than a page is half done
//   full 0|1                     every write and creation fails with ENOSPC
//   cut                          power fails: only what is durable is left; open files are dead

#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_MAX 4096
#define ENTRIES_MAX 1024
#define NAME_MAX_BYTES 96
#define PAGE 4096

struct content { char *bytes; size_t size, capacity; };
struct entry { char name[NAME_MAX_BYTES]; int node; };
struct names { struct entry entries[ENTRIES_MAX]; int count; };
struct node {
    bool directory;
    struct content live, durable;
    /** What was written and not synced lies in [from, to). */
    size_t dirty_from, dirty_to;
    struct names *live_names, *durable_names;
};
struct handle { int node; int epoch; };

static struct node nodes[NODES_MAX];
static int node_count;
/** Grows with every cut: handles of an earlier one are dead. */
static int epoch;
static bool full, next_write_short;
static struct { char operation[16]; int error, after; } fault;
static struct { char text[32]; int error; } refused;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool reserve(struct content *content, size_t size) {
    if (size <= content->capacity) return true;
    size_t capacity = size * 2;
    char *bytes = realloc(content->bytes, capacity);
    if (bytes == NULL) return false;
    memset(bytes + content->capacity, 0, capacity - content->capacity);
    content->bytes = bytes;
    content->capacity = capacity;
    return true;
}

static int resize(struct content *content, size_t size) {
    if (!reserve(content, size)) return -ENOSPC;
    if (size < content->size) memset(content->bytes + size, 0, content->size - size);
    content->size = size;
    return 0;
}

/** Makes `to` hold [from, from + bytes) of `of`, and its size. */
static int copy_range(struct content *to, const struct content *of, size_t from, size_t bytes) {
    int error = resize(to, of->size);
    if (error == 0 && bytes > 0) memcpy(to->bytes + from, of->bytes + from, bytes);
    return error;
}

static int make_node(bool directory) {
    if (node_count == NODES_MAX) return -ENOSPC;
    struct node *node = &nodes[node_count];
    node->directory = directory;
    if (directory) {
        node->live_names = calloc(1, sizeof *node->live_names);
        node->durable_names = calloc(1, sizeof *node->durable_names);
        if (node->live_names == NULL || node->durable_names == NULL) return -ENOMEM;
    }
    return node_count++;
}

static struct entry *find_entry(struct names *names, const char *name) {
    for (int at = 0; at < names->count; at++) if (strcmp(names->entries[at].name, name) == 0) return &names->entries[at];
    return NULL;
}

static void remove_entry(struct names *names, struct entry *entry) {
    *entry = names->entries[--names->count];
}

static int add_entry(struct names *names, const char *name, int node) {
    if (names->count == ENTRIES_MAX || strlen(name) >= NAME_MAX_BYTES) return -ENOSPC;
    strcpy(names->entries[names->count].name, name);
    names->entries[names->count++].node = node;
    return 0;
}

/** The node at `path`; with `name`, the directory that holds or would hold it, and its last part. */
static int walk(const char *path, const char **name) {
    int at = 0;
    while (*path == '/') path++;
    while (*path != 0) {
        char part[NAME_MAX_BYTES];
        size_t bytes = strcspn(path, "/");
        if (bytes >= sizeof part) return -ENAMETOOLONG;
        if (name != NULL && path[bytes] == 0) {
            *name = path;
            return nodes[at].directory ? at : -ENOTDIR;
        }
        memcpy(part, path, bytes);
        part[bytes] = 0;
        if (!nodes[at].directory) return -ENOTDIR;
        struct entry *entry = find_entry(nodes[at].live_names, part);
        if (entry == NULL) return -ENOENT;
        at = entry->node;
        path += bytes;
        while (*path == '/') path++;
    }
    return at;
}

/** What `operation` is to fail with now; 0 for nothing. */
static int due_fault(const char *operation) {
    if (strcmp(fault.operation, operation) != 0 || fault.after-- > 0) return 0;
    fault.operation[0] = 0;
    return -fault.error;
}

static struct handle *handle_of(struct fuse_file_info *info) {
    struct handle *handle = (struct handle *)(uintptr_t)info->fh;
    return handle->epoch == epoch ? handle : NULL;
}

static int attributes(const char *path, struct stat *out, struct fuse_file_info *info) {
    (void)info;
    pthread_mutex_lock(&mutex);
    int at = walk(path, NULL);
    if (at >= 0) {
        memset(out, 0, sizeof *out);
        out->st_ino = (ino_t)at + 1;
        out->st_mode = nodes[at].directory ? S_IFDIR | 0755 : S_IFREG | 0644;
        out->st_nlink = 1;
        out->st_size = (off_t)nodes[at].live.size;
    }
    pthread_mutex_unlock(&mutex);
    return at < 0 ? at : 0;
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info, enum fuse_readdir_flags flags) {
    (void)offset, (void)info, (void)flags;
    pthread_mutex_lock(&mutex);
    int at = walk(path, NULL);
    for (int index = 0; at >= 0 && index < nodes[at].live_names->count; index++) fill(buffer, nodes[at].live_names->entries[index].name, NULL, 0, 0);
    pthread_mutex_unlock(&mutex);
    return at < 0 ? at : 0;
}

static int add_node(const char *path, bool directory) {
    const char *name = NULL;
    int parent = walk(path, &name);
    if (parent < 0) return parent;
    if (full) return -ENOSPC;
    if (find_entry(nodes[parent].live_names, name) != NULL) return -EEXIST;
    int node = make_node(directory);
    if (node < 0) return node;
    int error = add_entry(nodes[parent].live_names, name, node);
    return error < 0 ? error : node;
}

static int make_directory(const char *path, mode_t mode) {
    (void)mode;
    pthread_mutex_lock(&mutex);
    int node = add_node(path, true);
    pthread_mutex_unlock(&mutex);
    return node < 0 ? node : 0;
}

static int open_node(int node, struct fuse_file_info *info) {
    if (node < 0) return node;
    struct handle *handle = malloc(sizeof *handle);
    if (handle == NULL) return -ENOMEM;
    *handle = (struct handle){ .node = node, .epoch = epoch };
    info->fh = (uintptr_t)handle;
    info->direct_io = 1;
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info) {
    pthread_mutex_lock(&mutex);
    int result = open_node(walk(path, NULL), info);
    pthread_mutex_unlock(&mutex);
    return result;
}

static int create_file(const char *path, mode_t mode, struct fuse_file_info *info) {
    (void)mode;
    pthread_mutex_lock(&mutex);
    int result = open_node(add_node(path, false), info);
    pthread_mutex_unlock(&mutex);
    return result;
}

static int close_file(const char *path, struct fuse_file_info *info) {
    (void)path;
    free((void *)(uintptr_t)info->fh);
    return 0;
}

static int read_file(const char *path, char *into, size_t bytes, off_t offset, struct fuse_file_info *info) {
    (void)path;
    pthread_mutex_lock(&mutex);
    struct handle *handle = handle_of(info);
    int result = -EIO;
    if (handle != NULL) {
        const struct content *content = &nodes[handle->node].live;
        size_t from = (size_t)offset;
        size_t there = from >= content->size ? 0 : content->size - from;
        if (bytes > there) bytes = there;
        if (bytes > 0) memcpy(into, content->bytes + from, bytes);
        result = (int)bytes;
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/** What a write of these bytes is to fail with now; 0 for nothing. */
static int due_refusal(const char *bytes, size_t count) {
    size_t length = strlen(refused.text);
    if (length == 0 || memmem(bytes, count, refused.text, length) == NULL) return 0;
    refused.text[0] = 0;
    return -refused.error;
}

static int write_content(struct handle *handle, const char *from, size_t bytes, size_t offset) {
    if (handle == NULL) return -EIO;
    int error = full ? -ENOSPC : due_fault("write");
    if (error == 0) error = due_refusal(from, bytes);
    if (error != 0) return error;
    if (next_write_short && bytes > PAGE) {
        bytes = bytes / 2 / PAGE * PAGE;
        next_write_short = false;
    }
    struct node *node = &nodes[handle->node];
    size_t end = offset + bytes;
    if (end > node->live.size && (error = resize(&node->live, end)) != 0) return error;
    memcpy(node->live.bytes + offset, from, bytes);
    bool clean = node->dirty_from == node->dirty_to;
    if (clean || offset < node->dirty_from) node->dirty_from = offset;
    if (clean || end > node->dirty_to) node->dirty_to = end;
    return (int)bytes;
}

/** Makes durable what was written since the last time, or forgets it. */
static int sync_content(struct handle *handle) {
    if (handle == NULL) return -EIO;
    struct node *node = &nodes[handle->node];
    size_t from = node->dirty_from, to = node->dirty_to < node->live.size ? node->dirty_to : node->live.size;
    node->dirty_from = node->dirty_to = 0;
    int error = due_fault("fsync");
    return error != 0 ? error : copy_range(&node->durable, &node->live, from, to > from ? to - from : 0);
}

static int write_file(const char *path, const char *from, size_t bytes, off_t offset, struct fuse_file_info *info) {
    (void)path;
    pthread_mutex_lock(&mutex);
    int result = write_content(handle_of(info), from, bytes, (size_t)offset);
    pthread_mutex_unlock(&mutex);
    return result;
}

static int sync_file(const char *path, int data_only, struct fuse_file_info *info) {
    (void)path, (void)data_only;
    pthread_mutex_lock(&mutex);
    int result = sync_content(handle_of(info));
    pthread_mutex_unlock(&mutex);
    return result;
}

static int sync_directory(const char *path, int data_only, struct fuse_file_info *info) {
    (void)data_only, (void)info;
    pthread_mutex_lock(&mutex);
    int at = walk(path, NULL);
    int result = at < 0 ? at : due_fault("fsyncdir");
    if (result == 0) *nodes[at].durable_names = *nodes[at].live_names;
    pthread_mutex_unlock(&mutex);
    return result;
}

static int truncate_file(const char *path, off_t size, struct fuse_file_info *info) {
    (void)info;
    pthread_mutex_lock(&mutex);
    int at = walk(path, NULL);
    int result = at < 0 ? at : resize(&nodes[at].live, (size_t)size);
    pthread_mutex_unlock(&mutex);
    return result;
}

static int unlink_name(const char *path) {
    pthread_mutex_lock(&mutex);
    const char *name = NULL;
    int parent = walk(path, &name);
    struct entry *entry = parent < 0 ? NULL : find_entry(nodes[parent].live_names, name);
    if (entry != NULL) remove_entry(nodes[parent].live_names, entry);
    pthread_mutex_unlock(&mutex);
    return parent < 0 ? parent : entry == NULL ? -ENOENT : 0;
}

static int link_name(const char *from, const char *to) {
    pthread_mutex_lock(&mutex);
    const char *name = NULL;
    int node = walk(from, NULL);
    int parent = walk(to, &name);
    int result = node < 0 ? node : parent;
    if (result >= 0) result = find_entry(nodes[parent].live_names, name) != NULL ? -EEXIST : add_entry(nodes[parent].live_names, name, node);
    pthread_mutex_unlock(&mutex);
    return result;
}

static int rename_name(const char *from, const char *to, unsigned flags) {
    (void)flags;
    pthread_mutex_lock(&mutex);
    const char *old_name = NULL, *new_name = NULL;
    int old_parent = walk(from, &old_name), new_parent = walk(to, &new_name);
    int result = old_parent < 0 ? old_parent : new_parent < 0 ? new_parent : 0;
    struct entry *entry = result < 0 ? NULL : find_entry(nodes[old_parent].live_names, old_name);
    if (result == 0 && entry == NULL) result = -ENOENT;
    if (result == 0) {
        int node = entry->node;
        remove_entry(nodes[old_parent].live_names, entry);
        struct entry *replaced = find_entry(nodes[new_parent].live_names, new_name);
        if (replaced != NULL) replaced->node = node;
        else result = add_entry(nodes[new_parent].live_names, new_name, node);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static int accept_silently(const char *path, const struct timespec times[2], struct fuse_file_info *info) {
    (void)path, (void)times, (void)info;
    return 0;
}

static void cut(void) {
    epoch++;
    fault.operation[0] = 0;
    refused.text[0] = 0;
    full = next_write_short = false;
    for (int at = 0; at < node_count; at++) {
        struct node *node = &nodes[at];
        if (node->directory) *node->live_names = *node->durable_names;
        else copy_range(&node->live, &node->durable, 0, node->durable.size);
        node->dirty_from = node->dirty_to = 0;
    }
}

static void obey(const char *line) {
    int error, after, value;
    char operation[16], text[32];
    if (sscanf(line, "fail %15s %d %d", operation, &error, &after) == 3) {
        strcpy(fault.operation, operation);
        fault.error = error;
        fault.after = after;
    } else if (sscanf(line, "refuse %31s %d", text, &error) == 2) {
        strcpy(refused.text, text);
        refused.error = error;
    } else if (sscanf(line, "full %d", &value) == 1) full = value != 0;
    else if (strncmp(line, "short", 5) == 0) next_write_short = true;
    else if (strncmp(line, "cut", 3) == 0) cut();
}

static void *take_commands(void *context) {
    (void)context;
    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        pthread_mutex_lock(&mutex);
        obey(line);
        pthread_mutex_unlock(&mutex);
        puts("ok");
        fflush(stdout);
    }
    // Who gave the commands is gone: nobody needs this any more.
    _exit(0);
}

static void *begin(struct fuse_conn_info *connection, struct fuse_config *config) {
    (void)connection;
    // A removed file keeps no hidden name.
    config->hard_remove = 1;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, take_commands, NULL);
    puts("ready");
    fflush(stdout);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2 || make_node(true) != 0) return 2;
    static const struct fuse_operations operations = {
        .init = begin, .getattr = attributes, .readdir = list, .mkdir = make_directory, .open = open_file, .create = create_file,
        .release = close_file, .read = read_file, .write = write_file, .fsync = sync_file, .fsyncdir = sync_directory,
        .truncate = truncate_file, .unlink = unlink_name, .link = link_name, .rename = rename_name, .utimens = accept_silently,
    };
    char *all[] = { arguments[0], "-f", "-s", "-o", "fsname=ringwall-cutfs", arguments[1], NULL };
    return fuse_main(6, all, &operations, NULL);
}
