// What is written: files and folders that are whole or not there. Each is made under a name of its own beside the one
// it will have, so that two writers never mix, and is removed again where its writer fails or is interrupted.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

// What becomes of an output that is there already.
enum class Existing { replaced, refused };

// Whether `output` may be written, asked before work begins. Throws Error(bad_request) where it is one of `inputs`, or
// a file of one that is a folder, under whatever name (links, "./"); and unless `force` where it exists, naming --force
// (an empty folder does not count).
void check_output(const std::filesystem::path& output, std::span<const std::filesystem::path> inputs, bool force);

// From now on SIGINT, SIGTERM and SIGHUP remove what is unfinished, then do what they would have done.
void remove_unfinished_on_signals();

// Of a folder that nobody else writes to: files that writers left behind when they were killed.
void remove_unfinished_in(const std::filesystem::path& folder);

// While it lives no other process has one of the same folder. Throws Error(bad_request) where another has, Error(io).
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

// Writes a file piece by piece, until commit() gives it its name: a crash, or an exception on the way, leaves the old
// file. For one thread.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path file, Existing existing = Existing::replaced);  // throws Error(io)
  ~FileWriter();  // removes what was not committed
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void append(std::span<const std::byte> bytes);  // throws Error(io)
  // Syncs and renames; throws Error(io), also for a mapped file that became shorter (what was written may come from
  // it), and Error(bad_request) where a file of the name has come that is not to be replaced.
  void commit();

 private:
  std::filesystem::path file_, beside_;
  Existing existing_;
  int fd_ = -1, unfinished_ = -1;
};

// A folder of files, made beside the one it will be. For one thread.
class FolderWriter {
 public:
  FolderWriter(std::filesystem::path folder, Existing existing);  // throws Error(io)
  ~FolderWriter();                                                // removes what was not committed
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  // Where to write the file that will have this name ("config.json", or one folder deeper).
  std::filesystem::path file(const std::string& name);

  // One rename where nothing is there, or an empty folder. Into a folder that holds something, which must be to be
  // replaced, files move one by one, `last` (which makes the folder one of its kind) taken away first and moved last,
  // and those that are `stale` removed between; other files stay. Throws Error(io | bad_request).
  void commit(const std::string& last, bool (*stale)(const std::string& name));

 private:
  std::filesystem::path folder_, beside_;
  Existing existing_;
  std::set<std::string> names_;
  std::vector<int> unfinished_;
  bool committed_ = false;
};

}  // namespace glassbox
