// Memory outside the JavaScript heap: buffers for the kernel, and the mapped rings.
//
// Owns: who unmaps. A mapping ends either by `release` or by the finalizer of its ArrayBuffer, whichever comes first;
// the record outlives both, because the finalizer still comes after a release.
//
// When an environment ends with a ring open, its operations may still be running. Crash without the rule below:
// 1. a Worker is terminated while the kernel reads into a buffer; 2. the buffer is unmapped; 3. another thread gets
// the same addresses from mmap; 4. the kernel completes the read into a stranger's memory. So the pages go back and
// the addresses stay reserved for the life of the process: a late access fails with EFAULT. Direct I/O and registered
// buffers hold their pages by reference, and are safe either way.
#include "addon.h"

// Node 20 makes no larger buffer.
#define MAPPING_BYTES_MAX 0xfffff000u

struct mapping {
  struct mapping* next;
  struct state* state;
  void* data;
  size_t bytes;
  bool of_ring;  // mapped from a ring's descriptor, else from pages_allocate
};

bool is_mapping(const struct state* state, const void* data) {
  for (const struct mapping* mapping = state->mappings; mapping != NULL; mapping = mapping->next) {
    if (mapping->data == data) return true;
  }
  return false;
}

static void unmap(struct mapping* mapping) {
  struct state* state = mapping->state;
  if (mapping->data == NULL) return;
  // The kernel writes to a ring through a mapping of its own.
  if (mapping->of_ring) unmap_memory(mapping->data, mapping->bytes);
  else if (state->rings_left_open) pages_reserve(mapping->data, mapping->bytes);
  else pages_free(mapping->data, mapping->bytes);
  mapping->data = NULL;
  for (struct mapping** link = &state->mappings; *link != NULL; link = &(*link)->next) {
    if (*link == mapping) {
      *link = mapping->next;
      break;
    }
  }
}

static void finalize(napi_env env, void* data, void* hint) {
  (void)env, (void)data;
  struct mapping* mapping = hint;
  struct state* state = mapping->state;
  unmap(mapping);
  pages_free(mapping, sizeof *mapping);
  state_release(state);
}

// The ArrayBuffer over fresh memory, or a negated errno.
static napi_value wrap(napi_env env, struct state* state, void* data, size_t bytes, bool of_ring) {
  struct mapping* mapping = pages_allocate(sizeof *mapping);
  if (mapping == NULL) {
    if (of_ring) unmap_memory(data, bytes);
    else pages_free(data, bytes);
    return number(env, -ERRNO_NOMEM);
  }
  *mapping = (struct mapping){ state->mappings, state, data, bytes, of_ring };
  state->mappings = mapping;
  state->holders++;
  napi_value memory;
  napi_status status = napi_create_external_arraybuffer(env, mapping->data, bytes, finalize, mapping, &memory);
  if (status == napi_ok) {
    state_hook_renew(state);
    return memory;
  }
  if (status == napi_no_external_buffers_allowed) {
    finalize(env, NULL, mapping);
    return number(env, -ERRNO_NOTSUP);
  }
  // Some versions of Node call the finalizer for a buffer that they then fail to make, now or later. The pages are
  // left to it: losing them is better than unmapping them twice.
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  return pending ? NULL : number(env, -ERRNO_NOMEM);
}

FUNCTION(allocate) {
  ARGUMENTS(1)
  size_t bytes;
  if (!read_size(env, arguments[0], &bytes)) return NULL;
  if (bytes == 0 || bytes > MAPPING_BYTES_MAX) return throw_range(env, "an allocation has from one byte to 4 GiB less a page");
  void* data = pages_allocate(bytes);
  if (data == NULL) return number(env, -ERRNO_NOMEM);
  pages_keep_from_children(data, bytes);
  return wrap(env, state, data, bytes, false);
}

FUNCTION(ring_map) {
  ARGUMENTS(3)
  int descriptor;
  size_t bytes, offset;
  if (!read_int32(env, arguments[0], &descriptor) || !read_size(env, arguments[1], &bytes) || !read_size(env, arguments[2], &offset)) return NULL;
  if (bytes == 0 || bytes > MAPPING_BYTES_MAX) return throw_range(env, "a mapping has from one byte to 4 GiB less a page");
  if (offset != 0 && offset != 0x8000000 && offset != 0x10000000) return throw_range(env, "not the offset of a ring region");
  long mapped = map_memory(NULL, bytes, PROTECT_READ_WRITE, MAP_SHARED_ | MAP_POPULATE_, descriptor, offset);
  if (is_failure(mapped)) return number(env, mapped);
  return wrap(env, state, (void*)mapped, bytes, true);
}

FUNCTION(release) {
  ARGUMENTS(1)
  void* data;
  size_t bytes;
  if (napi_get_arraybuffer_info(env, arguments[0], &data, &bytes) != napi_ok) return throw_type(env, "an ArrayBuffer is required");
  if (data == NULL) return undefined(env);
  for (struct mapping* mapping = state->mappings; mapping != NULL; mapping = mapping->next) {
    if (mapping->data != data) continue;
    if (napi_detach_arraybuffer(env, arguments[0]) != napi_ok) return throw_type(env, "the ArrayBuffer can't be detached");
    // The finalizer may already have run inside the detach, on a runtime that does not defer it.
    if (is_mapping(state, data)) unmap(mapping);
    return undefined(env);
  }
  return throw_type(env, "the ArrayBuffer is not from allocate or ringMap");
}

FUNCTION(address) {
  ARGUMENTS(2)
  uint8_t* data;
  uint32_t* halves;
  size_t bytes;
  if (!read_memory(env, arguments[0], &data, &bytes) || !read_array32(env, arguments[1], 2, &halves)) return NULL;
  // An address outlives the call: memory of the JavaScript heap could be collected under the kernel's hands.
  if (!is_mapping(state, data)) return throw_type(env, "the ArrayBuffer is not from allocate or ringMap");
  halves[0] = (uint32_t)(uintptr_t)data;
  halves[1] = (uint32_t)((uint64_t)(uintptr_t)data >> 32);
  return undefined(env);
}
