/** Version of everything on disk. A log with a higher one is refused; docs/UPGRADING.md has a line per version. */
export const formatVersion = 1;
