// The byte kernels, written once and compiled per CPU capability: kernels.c includes this file several times.
//
// Expects: NAME(x), TARGET (function attributes), FOLDS (1 when CARRYLESS is an instruction), and on a raw state
// (no inversion) CRC_WORD(state, u64), CRC_HALF(state, u32), CRC_BYTE(state, u8), and CARRYLESS(u32, u32) -> u64.
//
// Three interleaved streams hide the latency of the CRC instruction (3 cycles, 1 per cycle), after Gopal et al.,
// "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction" (Intel, 2011). The streams are joined by one
// carry-less multiplication each: state * x^(64 n) mod P is CRC_WORD(0, state * x^(64 n - 33)).

// `count` 8-byte words.
TARGET static inline __attribute__((always_inline)) uint32_t NAME(words)(uint32_t state, const uint8_t* at, size_t count) {
#if FOLDS
  while (count >= STREAMS_WORDS_MIN) {
    size_t each = count / 3;
    if (each > STREAM_WORDS_MAX) each = STREAM_WORDS_MAX;
    const uint8_t* at1 = at + each * 8;
    const uint8_t* at2 = at1 + each * 8;
    uint32_t state1 = 0, state2 = 0;
    size_t last = each - 1;
    for (size_t index = 0; index < last; index++) {
      state = CRC_WORD(state, load64(at + index * 8));
      state1 = CRC_WORD(state1, load64(at1 + index * 8));
      state2 = CRC_WORD(state2, load64(at2 + index * 8));
    }
    state = CRC_WORD(state, load64(at + last * 8));
    state1 = CRC_WORD(state1, load64(at1 + last * 8));
    uint64_t carried = CARRYLESS(state, powers_low[2 * each]) ^ CARRYLESS(state1, powers_low[each]);
    state = CRC_WORD(state2, load64(at2 + last * 8) ^ carried);
    at += each * 24;
    count -= each * 3;
  }
#endif
  for (; count != 0; count--, at += 8) state = CRC_WORD(state, load64(at));
  return state;
}

TARGET static uint32_t NAME(checksum)(const uint8_t* bytes, size_t length, uint32_t previous) {
  uint32_t state = NAME(words)(~previous, bytes, length / 8);
  bytes += length & ~(size_t)7;
  if (length & 4) {
    state = CRC_HALF(state, load32(bytes));
    bytes += 4;
  }
  for (size_t rest = length & 3; rest != 0; rest--) state = CRC_BYTE(state, *bytes++);
  return ~state;
}

// The state after the position and the bytes [4, 8) of the frame, where the whole words begin.
TARGET static inline __attribute__((always_inline)) uint32_t NAME(frame_begin)(uint32_t seed, uint64_t position, const uint8_t* frame) {
  return CRC_HALF(CRC_WORD(~seed, position), load32(frame + 4));
}

TARGET static inline __attribute__((always_inline)) uint32_t NAME(frame_checksum)(
    uint32_t seed, uint64_t position, const uint8_t* frame, size_t bytes) {
  return ~NAME(words)(NAME(frame_begin)(seed, position, frame), frame + 8, bytes / 8 - 1);
}

TARGET static int64_t NAME(seal)(const struct frames* frames) {
  int64_t count = 0;
  size_t at = frames->start;
  while (at != frames->end) {
    uint8_t* frame = frames->memory + at;
    size_t bytes = frame_bytes(frame, frames->end - at);
    if (bytes == 0) return -1;
    store32(frame, NAME(frame_checksum)(frames->seed, frames->position + (at - frames->start), frame, bytes));
    at += bytes;
    count++;
  }
  return count;
}

TARGET static size_t NAME(verify)(const struct frames* frames) {
  size_t at = frames->start, asked = at;
  while (at != frames->end) {
    const uint8_t* frame = frames->memory + at;
    size_t bytes = candidate_bytes(frame, frames->end - at);
    if (bytes == 0) break;
    asked = ask_ahead(frames, asked, at);
    if (NAME(frame_checksum)(frames->seed, frames->position + (at - frames->start), frame, bytes) != load32(frame)) break;
    at += bytes;
  }
  return at;
}

// state * x^(64 words) mod P: what `words` zero words would make of it.
TARGET static inline uint32_t NAME(advance)(uint32_t state, size_t words) {
  size_t low = words & (POWERS - 1), middle = words / POWERS & (POWERS - 1), high = words / POWERS / POWERS;
  if (low != 0) state = CRC_WORD(0, CARRYLESS(state, powers_low[low]));
  if (middle != 0) state = CRC_WORD(0, CARRYLESS(state, powers_middle[middle]));
  if (high != 0) state = CRC_WORD(0, CARRYLESS(state, powers_high[high]));
  return state;
}

// Every candidate from `at` on in constant time. `prefix[i]` is the raw checksum (from 0) of the first i words, so
// the checksum of any run of words is a difference of two prefixes: S(s, [a, b)) = prefix[b] ^ (prefix[a] ^ s) * x^(b - a).
TARGET static size_t NAME(find_by_prefix)(const struct frames* frames, size_t at, uint32_t* prefix) {
  size_t base = at, words = (frames->end - at) / 8;
  uint32_t state = 0;
  prefix[0] = 0;
  for (size_t index = 0; index < words; index++) prefix[index + 1] = state = CRC_WORD(state, load64(frames->memory + base + index * 8));
  for (; at < frames->end; at += 8) {
    const uint8_t* frame = frames->memory + at;
    size_t bytes = candidate_bytes(frame, frames->end - at);
    if (bytes == 0) continue;
    size_t from = (at - base) / 8 + 1, count = bytes / 8 - 1;
    uint32_t begin = NAME(frame_begin)(frames->seed, frames->position + (at - frames->start), frame);
    uint32_t end = prefix[from + count] ^ NAME(advance)(prefix[from] ^ begin, count);
    if (~end == load32(frame)) return at;
  }
  return frames->end;
}

// Worst case, whatever the bytes: linear. A candidate with a kind and a length that fits costs its checksum, and
// bytes can be chosen so that every 8th is such a candidate with a length of megabytes. So the plain search spends
// at most 2 n bytes of checksum (n = end - start); past that the rest goes by prefix sums: one more pass over the bytes, a
// constant time per candidate, and n/2 bytes of scratch memory. Only if that memory is refused does it go on plainly.
TARGET static size_t NAME(find)(const struct frames* frames) {
  size_t budget = 2 * (frames->end - frames->start);
  bool prefixes = true;
  for (size_t at = frames->start; at < frames->end; at += 8) {
    const uint8_t* frame = frames->memory + at;
    size_t bytes = candidate_bytes(frame, frames->end - at);
    if (bytes == 0) continue;
    if (bytes > budget && prefixes) {
      size_t scratch_bytes = ((frames->end - at) / 8 + 1) * sizeof(uint32_t);
      uint32_t* scratch = pages_allocate(scratch_bytes);
      if (scratch != NULL) {
        size_t found = NAME(find_by_prefix)(frames, at, scratch);
        unmap_memory(scratch, scratch_bytes);
        return found;
      }
      prefixes = false;
    }
    budget -= bytes < budget ? bytes : budget;
    if (NAME(frame_checksum)(frames->seed, frames->position + (at - frames->start), frame, bytes) == load32(frame)) return at;
  }
  return frames->end;
}

static const struct kernel NAME(kernel) = { KERNEL_NAME, NAME(checksum), NAME(seal), NAME(verify), NAME(find) };

#undef NAME
#undef TARGET
#undef FOLDS
#undef CRC_WORD
#undef CRC_HALF
#undef CRC_BYTE
#undef CARRYLESS
#undef KERNEL_NAME
