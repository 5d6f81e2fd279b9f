#include "hub/client/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "hub/git.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kCachedCommit = "0123456789abcdef0123456789abcdef01234567";

ListedFile small(const std::string& path, const std::string& bytes) {
  return {path, bytes.size(), object_id(ObjectKind::blob, bytes), {}, {}};
}

ListedFile large(const std::string& path, const std::string& bytes) {
  ListedFile file = small(path, bytes);
  file.sha256 = digest_of<Sha256>(bytes);
  return file;
}

void put(const CachedRepository& repository, const ListedFile& file, const std::string& bytes) {
  BlobDownload download(repository, file);
  download.append(bytes);
  download.commit();
  repository.link(kCachedCommit, file);
}

TEST(Cache, LiesAsOtherClientsKeepIt) {
  const TemporaryFolder folder;
  const CachedRepository repository(folder.path(), RepositoryKind::model, "me/model.v1");
  EXPECT_EQ(repository.commit_of("main"), std::nullopt);
  const ListedFile config = small("config.json", "hello\n"), weights = large("sub/b c/w.bin", "weights");
  EXPECT_EQ(config.etag(), "ce013625030ba8dba906f756967f9e9ca394464a");  // git hash-object
  put(repository, config, "hello\n");
  put(repository, weights, "weights");
  repository.set_reference("main", kCachedCommit);
  repository.set_reference("refs/pr/1", kCachedCommit);
  repository.set_reference(kCachedCommit, kCachedCommit);

  const fs::path at = folder / "models--me--model.v1";
  EXPECT_EQ(read_file(at / "refs/main"), kCachedCommit);
  EXPECT_EQ(read_file(at / "refs/refs/pr/1"), kCachedCommit);
  EXPECT_FALSE(fs::exists(at / "refs" / kCachedCommit));
  EXPECT_EQ(fs::read_symlink(at / "snapshots" / kCachedCommit / "config.json"), "../../blobs/" + config.etag());
  EXPECT_EQ(fs::read_symlink(at / "snapshots" / kCachedCommit / "sub/b c/w.bin"),
            "../../../../blobs/" + weights.etag());
  EXPECT_EQ(read_file(at / "snapshots" / kCachedCommit / "sub/b c/w.bin"), "weights");
  EXPECT_EQ(read_file(at / "blobs" / weights.etag()), "weights");
  EXPECT_TRUE(fs::exists(folder / (".locks/models--me--model.v1/" + weights.etag() + ".lock")));
  EXPECT_THAT(read_file(folder / "CACHEDIR.TAG"), ::testing::StartsWith("Signature: 8a477f597d28d172789f06886806bc55"));
  EXPECT_EQ(repository.commit_of("main"), kCachedCommit);
  EXPECT_EQ(repository.commit_of(kCachedCommit), kCachedCommit);
  EXPECT_TRUE(repository.has_file(kCachedCommit, "config.json"));
  EXPECT_FALSE(repository.has_file(kCachedCommit, "sub"));
  EXPECT_TRUE(repository.has_blob(weights));
  ListedFile longer = weights;
  ++longer.size;
  EXPECT_FALSE(repository.has_blob(longer)) << "of another size";

  const auto found = cached_repositories(folder.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].full_name, "me/model.v1");
  EXPECT_EQ(found[0].size, 13u);
  ASSERT_EQ(found[0].commits.size(), 1u);
  EXPECT_THAT(found[0].commits[0].revisions, ElementsAre("main", "refs/pr/1"));
  EXPECT_EQ(found[0].commits[0].size, 13u);
  EXPECT_EQ(remove_from_cache(repository), 13u);
  EXPECT_FALSE(fs::exists(at));
  EXPECT_FALSE(fs::exists(folder / ".locks/models--me--model.v1"));
  EXPECT_THROW(remove_from_cache(repository), Error);
}

TEST(Cache, ListingsAreKept) {
  const TemporaryFolder folder;
  const CachedRepository repository(folder.path(), RepositoryKind::dataset, "me/data");
  ListedFile weights = large("w.bin", "weights");
  weights.xet_hash = std::string(64, 'a');
  repository.keep_listing(kCachedCommit, {small("config.json", "hello\n"), weights});
  const fs::path file = folder / ("datasets--me--data/trees/" + kCachedCommit + ".json");
  const Json kept = read_json(file);
  EXPECT_EQ(kept["format_version"], 1);
  EXPECT_EQ(kept["files"]["config.json"], (Json{{"size", 6}, {"blob_id", "ce013625030ba8dba906f756967f9e9ca394464a"}}));
  EXPECT_EQ(kept["files"]["w.bin"]["lfs_sha256"], weights.etag());
  EXPECT_EQ(kept["files"]["w.bin"]["lfs_size"], 7);
  const auto files = repository.listing(kCachedCommit);
  ASSERT_TRUE(files && files->size() == 2);
  EXPECT_EQ((*files)[1].etag(), weights.etag());
  EXPECT_EQ((*files)[1].xet_hash, weights.xet_hash);

  const auto with = [&](const std::string& text) {
    write_file(file, text);
    return repository.listing(kCachedCommit).has_value();
  };
  const std::string facts = R"({"size": 6, "blob_id": "ce013625030ba8dba906f756967f9e9ca394464a"})";
  EXPECT_TRUE(with(R"({"format_version": 1, "files": {"a": )" + facts + "}}"));
  EXPECT_FALSE(with(R"({"format_version": 1, "files": {"../../a": )" + facts + "}}"));
  EXPECT_FALSE(with(R"({"format_version": 1, "files": {"/etc/a": )" + facts + "}}"));
  EXPECT_FALSE(with(R"({"format_version": 2, "files": {"a": )" + facts + "}}"));
  EXPECT_FALSE(with(R"({"format_version": 1, "files": {"a": {"size": -6, "blob_id": 3}}})"));
  EXPECT_FALSE(with("{"));
}

TEST(Cache, NamesAreNoPaths) {
  const TemporaryFolder folder;
  for (const char* name : {"me", "me/..", "../me", "me/a/b", "me/a--b", ".me/a", "me/", "/a"})
    EXPECT_THROW(CachedRepository(folder.path(), RepositoryKind::model, name), Error) << name;
  const CachedRepository repository(folder.path(), RepositoryKind::model, "me/a");
  for (const char* revision : {"../../x", "/x", "a/../b", "a\\b", ""})
    EXPECT_THROW(repository.commit_of(revision), Error) << revision;
  EXPECT_THROW(repository.set_reference("../x", kCachedCommit), Error);
}

TEST(Cache, ADownloadGoesOnWhereItEnded) {
  const TemporaryFolder folder;
  const CachedRepository repository(folder.path(), RepositoryKind::model, "me/a");
  const std::string bytes(3'000'000, 'x');
  const ListedFile file = large("w", bytes);
  {
    BlobDownload download(repository, file);
    EXPECT_EQ(download.size(), 0u);
    download.append(bytes.substr(0, 2'000'000));
  }
  EXPECT_FALSE(repository.has_blob(file));
  {
    BlobDownload download(repository, file);
    EXPECT_EQ(download.size(), 2'000'000u);
    EXPECT_TRUE(download.is_resumed());
    EXPECT_THROW(download.append(bytes), Error) << "more than there is";
    EXPECT_THROW(download.commit(), Error) << "not all of it";
    download.append(bytes.substr(2'000'000));
    download.commit();
  }
  EXPECT_EQ(read_file(repository.blob(file.etag())), bytes);
  EXPECT_FALSE(fs::exists(repository.blob(file.etag() + ".incomplete")));
  EXPECT_TRUE(BlobDownload(repository, file).is_there());
}

TEST(Cache, OtherBytesGetNoName) {
  const TemporaryFolder folder;
  const CachedRepository repository(folder.path(), RepositoryKind::model, "me/a");
  for (const ListedFile& file : {large("w", "weights"), small("c", "weights")}) {
    BlobDownload download(repository, file);
    download.append("weighty");
    try {
      download.commit();
      ADD_FAILURE() << "other bytes were taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_file);
      EXPECT_THAT(error.what(),
                  HasSubstr("expected " + std::string(file.sha256 ? "SHA-256 " : "git's SHA-1 ") + file.etag()));
    }
    EXPECT_FALSE(repository.has_blob(file));
    EXPECT_FALSE(fs::exists(repository.blob(file.etag() + ".incomplete"))) << "nothing to go on with";
    download.restart();
    download.append("weights");
    download.commit();
    EXPECT_TRUE(repository.has_blob(file));
  }
  // More than there should be, by an earlier process.
  const ListedFile file = large("v", "short");
  write_file(repository.blob(file.etag() + ".incomplete"), "much longer");
  EXPECT_EQ(BlobDownload(repository, file).size(), 0u);
}

// As huggingface_hub leaves files that it fetched by Xet.
TEST(Cache, SharedBytesStayForTheOthers) {
  const TemporaryFolder folder;
  const std::string bytes = "weights", hash(64, 'c');
  const ListedFile file = large("w", bytes);
  const fs::path shared = folder / "blobs" / "cc" / hash;
  fs::create_directories(shared.parent_path());
  write_file(shared, bytes);
  std::string references;
  for (const char* name : {"me/a", "me/b"}) {
    const CachedRepository repository(folder.path(), RepositoryKind::model, name);
    fs::create_directories(repository.folder() / "blobs");
    fs::create_symlink("../../blobs/cc/" + hash, repository.blob(file.etag()));
    repository.link(kCachedCommit, file);
    references += repository.folder_name() + "/blobs/" + file.etag() + "\n";
    EXPECT_TRUE(repository.has_blob(file)) << "used where it lies";
    EXPECT_TRUE(repository.has_file(kCachedCommit, "w"));
  }
  write_file(shared.string() + ".refs", references);
  EXPECT_EQ(cached_repositories(folder.path()).size(), 2u);
  EXPECT_EQ(remove_from_cache({folder.path(), RepositoryKind::model, "me/a"}), 0u);
  EXPECT_TRUE(fs::exists(shared));
  EXPECT_EQ(remove_from_cache({folder.path(), RepositoryKind::model, "me/b"}), bytes.size());
  EXPECT_FALSE(fs::exists(shared));
  EXPECT_FALSE(fs::exists(shared.string() + ".refs"));
}

}  // namespace
}  // namespace glassbox::hub
