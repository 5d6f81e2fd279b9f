// SQLite (sqlite.org/c3ref), as little of it as the hub needs. SQL is written in this folder and nowhere else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace glassbox::hub {

// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

// What stands for a question mark of a statement. Views: valid until the statement ran.
class Value {
 public:
  Value(std::nullptr_t) {}
  Value(bool value) : value_(int64_t{value}) {}
  Value(int value) : value_(int64_t{value}) {}
  Value(int64_t value) : value_(value) {}
  Value(uint64_t value) : value_(static_cast<int64_t>(value)) {}
  Value(double value) : value_(value) {}
  Value(const char* text) : value_(std::string_view(text)) {}
  Value(std::string_view text) : value_(text) {}
  Value(const std::string& text) : value_(std::string_view(text)) {}
  Value(Blob blob) : value_(blob) {}
  template <class T>
  Value(const std::optional<T>& value) {
    if (value) *this = Value(*value);
  }

 private:
  friend class Connection;
  std::variant<std::nullptr_t, int64_t, double, std::string_view, Blob> value_ = nullptr;
};

// A row of an answer, while the function that was given it runs.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  bool is_null(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view bytes(int column) const;  // of a text, too; valid while the function runs
  std::string text(int column) const { return std::string(bytes(column)); }

 private:
  sqlite3_stmt* statement_;
};

// One conversation with the database, for one thread at a time.
class Connection {
 public:
  explicit Connection(const std::filesystem::path& file);  // throws Error(io | bad_file)
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement and returns how many rows it changed. Throws Error(full) where the disk is, Error(io),
  // Error(bad_file) for a damaged file, Error(internal) for what the statement itself gets wrong.
  int64_t run(std::string_view sql, std::initializer_list<Value> values = {});
  // Gives each row of the answer to `row`.
  void each(std::string_view sql, std::initializer_list<Value> values, const std::function<void(const Row&)>& row);
  // What `read` makes of the first row; nothing where there is none.
  template <class Read>
  auto first(std::string_view sql, std::initializer_list<Value> values, const Read& read)
      -> std::optional<decltype(read(std::declval<const Row&>()))> {
    std::optional<decltype(read(std::declval<const Row&>()))> found;
    each(sql, values, [&](const Row& row) {
      if (!found) found = read(row);
    });
    return found;
  }
  // What `read` makes of every row.
  template <class Read>
  auto all(std::string_view sql, std::initializer_list<Value> values, const Read& read)
      -> std::vector<decltype(read(std::declval<const Row&>()))> {
    std::vector<decltype(read(std::declval<const Row&>()))> found;
    each(sql, values, [&](const Row& row) { found.push_back(read(row)); });
    return found;
  }
  std::optional<int64_t> integer(std::string_view sql, std::initializer_list<Value> values = {}) {
    return first(sql, values, [](const Row& row) { return row.integer(0); });
  }
  int64_t last_row() const;  // the number of the row inserted last

  void script(const std::string& sql);  // several statements, none of which has question marks

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
  [[noreturn]] void fail_as(int code, std::string_view sql) const;
  Statement take(std::string_view sql);

  const std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<std::string, Statement> prepared_;  // those that nobody runs
};

// A database file that many threads read while one writes (write-ahead log). What write() returned from is on disk.
class Database {
 public:
  // Makes the file where there is none. Throws as Connection.
  explicit Database(std::filesystem::path file);
  ~Database();

  // Runs `work` over one moment's state of everything, whatever is written meanwhile.
  template <class Work>
  auto read(const Work& work) {
    const Lease lease(*this, false);
    if constexpr (std::is_void_v<decltype(work(*lease.connection))>) {
      work(*lease.connection);
      lease.end();
    } else {
      auto result = work(*lease.connection);
      lease.end();
      return result;
    }
  }

  // Runs `work` alone, and makes what it wrote durable, or undoes all of it where something throws.
  template <class Work>
  auto write(const Work& work) {
    const std::lock_guard lock(writing_);
    const Lease lease(*this, true);
    if constexpr (std::is_void_v<decltype(work(*lease.connection))>) {
      work(*lease.connection);
      lease.end();
    } else {
      auto result = work(*lease.connection);
      lease.end();
      return result;
    }
  }

 private:
  // A connection in a transaction, which end() commits and the destructor undoes.
  struct Lease {
    Lease(Database& database, bool writes);
    ~Lease();
    void end() const;
    Database& database;
    std::unique_ptr<Connection> connection;
    mutable bool open = true;
  };

  const std::filesystem::path file_;
  std::mutex writing_, idle_mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace glassbox::hub
