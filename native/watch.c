// Watching a descriptor from Node's event loop, through libuv's poll handle.
//
// Owns: the handle's memory and the reference to the callback. The latency of every acknowledgement that waits for
// the event loop passes through on_readable: it does nothing but the call.
//
// libuv's functions are weak references: a runtime without them loads the addon, and watch answers -ENOSYS.
#include "addon.h"

#pragma weak napi_get_uv_event_loop
enum { UV_POLL = 8, UV_READABLE = 1, HANDLE_BYTES_MAX = 2048 };
typedef void (*uv_poll_callback)(void* handle, int status, int events);
__attribute__((weak)) size_t uv_handle_size(int type);
__attribute__((weak)) int uv_poll_init(struct uv_loop_s* loop, void* handle, int descriptor);
__attribute__((weak)) int uv_poll_start(void* handle, int events, uv_poll_callback callback);
__attribute__((weak)) void uv_close(void* handle, void (*callback)(void* handle));
__attribute__((weak)) void uv_ref(void* handle);
__attribute__((weak)) void uv_unref(void* handle);

struct watch {
  struct watch* next;  // among the open ones
  struct state* state;
  napi_ref callback;
  int descriptor;
  int holders;         // libuv until the handle is closed, and the JavaScript object until it is collected
  _Alignas(16) unsigned char handle[HANDLE_BYTES_MAX];
};

static struct watch* watch_of(void* handle) { return (struct watch*)((char*)handle - offsetof(struct watch, handle)); }

static void watch_release(struct watch* watch) {
  if (--watch->holders != 0) return;
  struct state* state = watch->state;
  pages_free(watch, sizeof *watch);
  state_release(state);
}

static void on_closed(void* handle) {
  struct watch* watch = watch_of(handle);
  state_watch_closed(watch->state);
  watch_release(watch);
}

static void on_collected(napi_env env, void* data, void* hint) {
  (void)env, (void)hint;
  watch_release(data);
}

static void on_readable(void* handle, int status, int events) {
  (void)events;
  struct watch* watch = watch_of(handle);
  napi_env env = watch->state->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, argument;
  if (napi_get_reference_value(env, watch->callback, &callback) == napi_ok && napi_create_int32(env, status, &argument) == napi_ok &&
      napi_make_callback(env, NULL, callback, callback, 1, &argument, NULL) != napi_ok) {
    // Also not ok while a Worker is being terminated; then there is nothing to report.
    bool pending = false;
    napi_value error;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
}

static void close_watch(struct watch* watch) {
  struct state* state = watch->state;
  for (struct watch** link = &state->watches; *link != NULL; link = &(*link)->next) {
    if (*link == watch) {
      *link = watch->next;
      break;
    }
  }
  napi_delete_reference(state->env, watch->callback);
  state->watches_closing++;  // until state_watch_closed
  uv_close(watch->handle, on_closed);
}

void watches_close(struct state* state) {
  while (state->watches != NULL) close_watch(state->watches);
}

void watch_close_descriptor(struct state* state, int descriptor) {
  for (struct watch* watch = state->watches; watch != NULL;) {
    struct watch* next = watch->next;
    if (watch->descriptor == descriptor) close_watch(watch);
    watch = next;
  }
}

FUNCTION(watch) {
  ARGUMENTS(2)
  int descriptor;
  napi_valuetype type;
  if (!read_int32(env, arguments[0], &descriptor)) return NULL;
  if (napi_typeof(env, arguments[1], &type) != napi_ok || type != napi_function) return throw_type(env, "a function is required");
  if (!uv_handle_size || !uv_poll_init || !uv_poll_start || !uv_close || !uv_ref || !uv_unref || !napi_get_uv_event_loop) return number(env, -ERRNO_NOSYS);
  if (uv_handle_size(UV_POLL) > HANDLE_BYTES_MAX) return number(env, -ERRNO_NOSYS);
  if (state->ending) return number(env, -ERRNO_CANCELED);
  struct uv_loop_s* loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return number(env, -ERRNO_NOSYS);

  struct watch* watch = pages_allocate(sizeof *watch);
  if (watch == NULL) return number(env, -ERRNO_NOMEM);
  int result = uv_poll_init(loop, watch->handle, descriptor);
  if (result < 0) {
    pages_free(watch, sizeof *watch);
    return number(env, result);
  }
  watch->state = state;
  watch->descriptor = descriptor;
  watch->holders = 1;
  watch->next = state->watches;
  state->watches = watch;
  state->holders++;
  uv_unref(watch->handle);

  napi_value object = NULL;
  napi_create_reference(env, arguments[1], 1, &watch->callback);
  if (watch->callback != NULL && napi_create_external(env, watch, on_collected, NULL, &object) == napi_ok) {
    watch->holders++;
    result = uv_poll_start(watch->handle, UV_READABLE, on_readable);
    if (result == 0) return object;
  } else {
    result = -ERRNO_NOMEM;
  }
  close_watch(watch);
  return number(env, result);
}

// The open watch behind an object, or NULL when it is closed. Another addon's external is not ours to look into, so
// the pointer is compared, never followed. It can't name a younger watch: the page stays until the object is collected.
static bool read_watch(napi_env env, struct state* state, napi_value value, struct watch** out) {
  void* data;
  if (napi_get_value_external(env, value, &data) != napi_ok) {
    throw_type(env, "a watch is required");
    return false;
  }
  struct watch* watch = state->watches;
  while (watch != NULL && watch != data) watch = watch->next;
  *out = watch;
  return true;
}

FUNCTION(watch_keeps_alive) {
  ARGUMENTS(2)
  struct watch* watch;
  bool keeps;
  if (!read_watch(env, state, arguments[0], &watch) || !read_boolean(env, arguments[1], &keeps)) return NULL;
  if (watch != NULL && keeps) uv_ref(watch->handle);
  if (watch != NULL && !keeps) uv_unref(watch->handle);
  return undefined(env);
}

FUNCTION(watch_close) {
  ARGUMENTS(1)
  struct watch* watch;
  if (!read_watch(env, state, arguments[0], &watch)) return NULL;
  if (watch != NULL) close_watch(watch);
  return undefined(env);
}
