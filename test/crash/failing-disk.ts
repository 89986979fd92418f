// An ext4 file system on a loop device whose image lies on cutfs: a device that fails on command, under the kernel's own page cache.

import fs from "node:fs";
import path from "node:path";
import { CutDisk, cutDiskRefusal } from "./cut-disk.js";
import { Disk, diskRefusal, makeImage } from "./disk.js";

const imageBytes = 32 * 1024 * 1024;
/** Direct I/O in smaller units is refused: the way to have io_uring write through the page cache. */
const sectorBytes = 4096;

/** Why it can't be had here, or null. */
export function failingDiskRefusal(): string | null {
  return cutDiskRefusal() ?? diskRefusal("ext4");
}

export class FailingDisk {
  readonly device: CutDisk;
  readonly disk: Disk;

  private constructor(device: CutDisk, disk: Disk) {
    this.device = device;
    this.disk = disk;
  }

  static async mount(directory: string): Promise<FailingDisk> {
    fs.mkdirSync(directory, { recursive: true });
    const device = await CutDisk.mount(path.join(directory, "device"));
    const image = path.join(device.mountPoint, "image");
    await makeImage(image, "ext4", imageBytes, "-b", String(sectorBytes));
    const disk = new Disk(image, path.join(directory, "ext4"), sectorBytes);
    await disk.mount();
    return new FailingDisk(device, disk);
  }

  get directory(): string {
    return this.disk.directory;
  }

  async unmount(): Promise<void> {
    await this.disk.detach();
    await this.device.unmount();
  }
}
