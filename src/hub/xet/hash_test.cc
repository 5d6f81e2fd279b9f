#include "hub/xet/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "hub/xet/testing.h"

namespace glassbox::xet {
namespace {

using namespace testing;

Hash of(const Bytes& bytes) {
  Hash hash;
  EXPECT_EQ(bytes.size(), hash.bytes.size());
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.bytes.size()), hash.bytes.begin());
  return hash;
}

TEST(XetHash, TextReversesGroupsOfEight) {
  const Hash hash = of(hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  const std::string text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
  EXPECT_EQ(hash.text(), text);
  EXPECT_EQ(Hash::parse(text), hash);
  EXPECT_EQ(hash.modulo(1024), 0x1f1e1d1c1b1a1918 % 1024);
  EXPECT_FALSE(hash.is_zero());
  EXPECT_TRUE(Hash{}.is_zero());
  EXPECT_EQ(Hash{}.text(), std::string(64, '0'));
}

TEST(XetHash, ParsesNothingElse) {
  const std::string text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
  for (const size_t size : {0, 1, 63, 65, 128}) {
    std::string other = text + text;
    other.resize(size);
    EXPECT_FALSE(Hash::parse(other)) << size;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char wrong : {'A', 'F', 'g', '/', ':', '`', ' ', '\0', '\xff'}) {
      std::string other = text;
      other[at] = wrong;
      EXPECT_FALSE(Hash::parse(other)) << at << ' ' << int{wrong};
    }
  }
}

TEST(XetHash, IsOrderedAsItsText) {
  std::vector<Hash> hashes;
  for (uint64_t seed = 0; seed < 200; ++seed) hashes.push_back(of(random_bytes(32, seed)));
  for (size_t at = 0; at < 32; ++at) {  // and such as differ in one byte alone
    hashes.push_back(hashes[0]);
    hashes.back().bytes[at] ^= std::byte{0x80};
  }
  for (const Hash& a : hashes)
    for (const Hash& b : hashes) {
      EXPECT_EQ(a < b, a.text() < b.text());
      EXPECT_EQ(a == b, a.text() == b.text());
    }
  EXPECT_EQ(std::set<Hash>(hashes.begin(), hashes.end()).size(), 232u);
  EXPECT_EQ(std::unordered_set<Hash>(hashes.begin(), hashes.end()).size(), 232u);
  std::set<size_t> places;
  for (const Hash& hash : hashes) places.insert(std::hash<Hash>()(hash));
  EXPECT_EQ(places.size(), 232u);  // no byte is passed over
}

TEST(XetHash, NamesChunks) {
  EXPECT_EQ(chunk_hash({}).text(), "e0f2cf784e7e5f10c34f84af150e9a5ff9664216debad915364d741049870f67");
  const Hash hash = chunk_hash(bytes_of("hello world"));
  EXPECT_EQ(hash.text(), "4e39378b9d359f118190557a1f44130219a54e5fcfa07bd96cf50b466fe651b1");
  EXPECT_EQ(hash, of(hex("119f359d8b37394e0213441f7a559081d97ba0cf5f4ea519b151e66f460bf56c")));
}

TEST(XetHash, SaysWhichChunksAreAskedFor) {
  Hash hash;
  EXPECT_TRUE(is_dedup_candidate(hash));
  for (size_t at = 0; at < 32; ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      hash = {};
      hash.bytes[at] = static_cast<std::byte>(1u << bit);
      EXPECT_EQ(is_dedup_candidate(hash), at < 24 || at > 25 || (at == 25 && bit >= 2)) << at << ' ' << bit;
    }
}

TEST(XetHash, ProtectsAChunkByAKey) {
  Key key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
  EXPECT_EQ(protected_hash(key, chunk_hash(bytes_of("hello"))).text(),
            "807c4f424c506281c5cdd47e7e4514ec7c886dfe8e775a817cf04ef58418fa3b");
}

TEST(XetHash, WritesSha256AsShardsDo) {
  // Of "some data".
  const std::string digits = "1307990e6ba5ca145eb35e99182a9bec46531bc54ddf656a602c780fa0240dee";
  const Hash stored = of(hex("14caa56b0e990713 ec9b2a18995eb35e 6a65df4dc51b5346 ee0d24a00f782c60"));
  const Sha256 digest = of(hex(digits)).bytes;
  EXPECT_EQ(of_sha256(digest), stored);
  EXPECT_EQ(sha256_of(stored), digest);
  EXPECT_EQ(stored.text(), digits);
}

// Node k of the published cases: a hash and 100 * k bytes.
const std::array<const char*, 8> kNodes = {"0000000000000000000000000000000000000000000000000000000000000000",
                                           "cfc5d07f6f03c29bbf424132963fe08d19a37d5757aaf520bf08119f05cd56d6",
                                           "c3e67584b5c4fc2a89837ec39e40f2c8a6bb0b2987ac94cd4b31e5fbdd210a72",
                                           "0d2beb91b9196929a5ddec9f6e306924ddf4a24268e3e59fd8464738d525af37",
                                           "adf8773496a9b7319b2e50dc98093f344053b17d8ad37100b9c07d9805988784",
                                           "4ac202caf347fc1e9c874b1ef6a1c5e619141eb775a6f43f0f0124ccd0060d9e",
                                           "b3b28636f65c149ea52eb1f94669466f70f033b54cea792824c696ba6ef3c389",
                                           "0e2c1a002aae913d2c0fc8ddfa4e9e14b7b311b3b0d458726d5d9f6a6318013c"};

struct MerkleCase {
  std::vector<size_t> nodes;
  const char* root;
  const char* file;
};

std::vector<size_t> repeated(size_t count, size_t node) { return std::vector<size_t>(count, node); }

std::vector<size_t> cycled(size_t count, size_t times) {  // each node `times` times, then the next
  std::vector<size_t> nodes;
  for (size_t i = 0; i < count; ++i) nodes.push_back(i / times % 8);
  return nodes;
}

TEST(XetMerkle, HasThePublishedRoots) {
  const std::string none(64, '0');
  const std::vector<MerkleCase> cases = {
      {{}, none.c_str(), none.c_str()},
      {{0}, none.c_str(), "638a6bc391964a85939d48f008e8bdbae6a7975e7ca2d87a3ce2492f4e4d8a4c"},
      {{1}, kNodes[1], "8e16257caa3fe079d484d872a8975264b2ff683b0d6db9028cc7c0f968a45661"},
      {{1, 0},
       "e8660f81494ca836a58e395c1395ef97870ed71e2b113eec1fab6b3361f46dd6",
       "274d92f7e2acebaa2b8d63c0b5e7a4fc15814a606e3e3825d55609e671bcc5d9"},
      {{1, 2, 3},
       "71ec1275fca074724e2dd666921b3277c7cee603e4d025bcab2d4050015be2bc",
       "54e55dccc6653c612bdb5576c5d3cb34bb31bc4e100248abccf4c908b3ef7715"},
      {{1, 1, 1, 1},
       "89f2ada89ff8c96763c6b25010e6dd76a4c05b1466207633ea559acf2093211b",
       "2cdba690d0e09563596e0cda626d43eb4c96ef1e994fe72d9b2f5a83cfcd36dd"},
      {{1, 2, 1, 2, 3, 4},
       "52c826f99507aa05d0b45e9837fa1709e0485425cfbcb1e80db3905cf98b3ee9",
       "91d21684db364c8883ab8209fa5eb2e781cf07f37e1fa43e731c30839afe422f"},
      {{0, 1, 0, 1, 0},
       "f36c6a6374a567efd36ed087aeb680b57e3af4e0b5b8e7be2593df4cb647a2de",
       "ab2f46d31855e1133b3b5b70e78f841394a648710a208923b221c1a8a0572a1f"},
      {{3, 4, 5, 5, 5},
       "2c1fd1eca47e284512fcb40fcf45a1874939f9b91c774d46aeba5d004d9d263d",
       "0799ba7ee2c3fed173a8e8d832cd13970ddc16070ffbc8aa6dcd77476f66dc73"},
      {cycled(8, 1), "f62abe77e3fb9c954fe52b0028027ddc90c064c45951a4fd2211d87e5c0011db",
       "d1b068be5bbdb38992269e8efe61f601881e39f7a7585fd76883cc6ea5c23b44"},
      {{0, 1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1},
       "e7fc30b73ec9930593f80fe777b334e9d3bb73e45e6a79fa5784b2603446158b",
       "69e1af2fd6023ce133e0d1b90e32d1d42ef79f5a710f2b0accfc3a735e98de9d"},
      {cycled(16, 2), "636c65db520ec16e8166f9ec7a0cf9f74b26369077ac60160ec0221c86bc9f77",
       "6a90ad0d6f5246ac61f1de898c6944c03e14004a1368e6fb23387108c4d039e0"},
      {repeated(32, 1), "0a0123c1617921883b7e13902095fcb86676e77c49120c33b233003b0af0e0a6",
       "53af4711fd1d5e5bdc7f931b6be932314d8d673cb16ad2482f6f5222eaf9e63d"},
      {cycled(64, 1), "6554007c9b5d0a5e7918f79596a1b68815c1407535585435f5735db761f21b88",
       "a8640ab81d48854e00078e12b1ea8be5d90be0ffb5f73a15b7009981d093ddd8"},
  };
  for (const MerkleCase& one : cases) {
    std::vector<Node> nodes;
    uint64_t length = 0;
    for (const size_t k : one.nodes) {
      nodes.push_back({named(kNodes[k]), 100 * k});
      length += 100 * k;
    }
    EXPECT_EQ(merkle_root(nodes).text(), one.root) << one.nodes.size();
    EXPECT_EQ(file_id(nodes).text(), one.file) << one.nodes.size();
    MerkleTree tree;
    for (const Node& node : nodes) {
      tree.root();  // asking on the way changes nothing
      tree.add(node.hash, node.length);
    }
    EXPECT_EQ(tree.root().text(), one.root);
    EXPECT_EQ(tree.file_id().text(), one.file);
    EXPECT_EQ(tree.length(), length);
  }
}

}  // namespace
}  // namespace glassbox::xet
