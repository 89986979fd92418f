// The memory that one producer thread shares with the lane's thread: where its words, commands and answers lie.
//
// One per attached log, made by the producer, dropped by both when either ends. Every word that one side writes and the
// other reads has a cache line of its own. Nothing in it outlives the two threads.

/** Words, each alone in its 64 bytes. */
export const word = {
  /** Bytes of commands ever published, modulo 2^32. Written by the producer. */
  commandTail: 0,
  /** Bytes of commands ever released. Written by the lane. */
  commandHead: 16,
  /** 1: the producer waits for room and wants a message once there is some. */
  wantsRoom: 32,
  /** Answers ever published, modulo 2^32. Written by the lane. */
  answerTail: 48,
  /** 1: the producer wants a message when there are answers. */
  wantsAnswers: 64,
} as const;

const headerBytes = 512;
/** A power of two. */
export const commandBytes = 1024 * 1024;
/** Operations of one producer whose answer is not taken yet, at most: so many answers always have room. A power of two. */
export const answersMax = 8192;
/** Token, count, and the two halves of the sequence. */
export const answerWords = 4;

export class ProducerMemory {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly commandWords: Uint32Array;
  readonly commands: Buffer;
  readonly answers: Uint32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(headerBytes + commandBytes + answersMax * answerWords * 4)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, headerBytes / 4);
    this.commandWords = new Uint32Array(buffer, headerBytes, commandBytes / 4);
    this.commands = Buffer.from(buffer, headerBytes, commandBytes);
    this.answers = new Uint32Array(buffer, headerBytes + commandBytes, answersMax * answerWords);
  }
}
