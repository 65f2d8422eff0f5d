// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// Constants of the Poseidon gates, by their names in circuits/src/plonk/gates.rs.
// Generated: cargo run --release -p assay-prover --example golden_gates

uint256 constant F_1 = 0x0554d736315b8662f02fdba7dd737fbca197aeb12ea64713ba733f28475128cb;
uint256 constant F_2 = 0x2f83b9df259b2b68bcd748056307c37754907df0c0fb0035f5087c58d5e8c2d4;
uint256 constant F_3 = 0x2ca70e2e8d7f39a12447ac83052451b461f15f8b41a75ef31915208f5aba9683;
uint256 constant F_4 = 0x1cb5f9319be6a45e91b04d7222271c94994196f12ed22c5d4ec719cb83ecfea9;
uint256 constant R_0 = 0x251e7fdf99591080080b0af133b9e4369f22e57ace3cd7f64fc6fdbcf38d7da1;
uint256 constant R_1 = 0x09fa487e7f5a0583903205ac467176e982991835de3fc7709778150adeff981e;
uint256 constant R_2 = 0x178a9f23cdeb6ce9608c2fb4ba96142219852308a773fb8c3857a40c348b4f72;
uint256 constant R_3 = 0x121f7fd92510c3a19eae8a6ae1803c8d71c73bfd506292bf261517d2320501f1;
uint256 constant A_1 = 0x218796dd338868e7300732cf5d3925c74c1badd0a32d8b41b96e555ddfe27869;
uint256 constant A_2 = 0x2503f642cfcb5f06e1a18c68efca3c0672ed26edfc7e6e77513ba7a4c660ab53;
uint256 constant A_3 = 0x2c01b6282fad3d37bdc72033b4d8da10494ac283ec74d5e63d72dbe06b4037c6;
uint256 constant A_4 = 0x172f5e628cc26149dcc488004690cfa55faac52708481fffb3d4cfa3808b4051;
uint256 constant B_0 = 0x074019237db9fbc928e4fceaf52b9ffe45ead67eab8e238cb18878e6b20b8a6c;
uint256 constant B_1 = 0x14f6ab2c6caef74572f821bb82c4bda12a302be5aeb91ad1562b97b09db427d8;
uint256 constant B_2 = 0x0207da9637379529f714ecb391b8679e0e706aa377007317ef46da24e8f9124e;
uint256 constant B_3 = 0x0d1ecfc6e6ec39c56d953ff80bbbe31b5710aa74969d92b87beaf53de7935be3;
uint256 constant B_4 = 0x251e7fdf99591080080b0af133b9e4369f22e57ace3cd7f64fc6fdbcf38d7da1;

uint256 constant COLUMNS = 18;

/// @notice Writes `COLUMNS` columns of five words: of `M` (the first one last), `L`, `P`, `E` (with a row of zeros).
function writeColumns(uint256 ptr) pure {
    assembly ("memory-safe") {
        mstore(add(ptr, 0x0), 0x25fb50b65acf4fb047cbd3b1c17d97c7fe26ea9ca238d6e348550486e91c7765)
        mstore(add(ptr, 0x20), 0x281154651c921e746315a9934f1b8a1bba9f92ad8ef4b979115b8e2e991ccd7a)
        mstore(add(ptr, 0x40), 0x001c1edd62645b73ad931ab80e37bbb267ba312b34140e716d6a3747594d3052)
        mstore(add(ptr, 0x60), 0x0dec54e6dbf75205fa75ba7992bd34f08b2efe2ecd424a73eda7784320a1a36e)
        mstore(add(ptr, 0x80), 0x1049f8210566b51faafb1e9a5d63c0ee701673aed820d9c4403b01feb727a549)
        mstore(add(ptr, 0xa0), 0x293d617d7da72102355f39ebf62f91b06deb5325f367a4556ea1e31ed5767833)
        mstore(add(ptr, 0xc0), 0x28c2be2f8264f95f0b53c732134efa338ccd8fdb9ee2b45fb86a894f7db36c37)
        mstore(add(ptr, 0xe0), 0x15b98ce93e47bc64ce2f2c96c69663c439c40c603049466fa7f9a4b228bfc32b)
        mstore(add(ptr, 0x100), 0x1c482a25a729f5df20225815034b196098364a11f4d988fb7cc75cf32d8136fa)
        mstore(add(ptr, 0x120), 0x02ecac687ef5b4b568002bd9d1b96b4bef357a69e3e86b5561b9299b82d69c8e)
        mstore(add(ptr, 0x140), 0x104d0295ab00c85e960111ac25da474366599e575a9b7edf6145f14ba6d3c1c4)
        mstore(add(ptr, 0x160), 0x21888041e6febd546d427c890b1883bb9b626d8cb4dc18dcc4ec8fa75e530a13)
        mstore(add(ptr, 0x180), 0x12c7e2adfa524e5958f65be2fbac809fcba8458b28e44d9265051de33163cf9c)
        mstore(add(ptr, 0x1a0), 0x2625ce48a7b39a4252732624e4ab94360812ac2fc9a14a5fb8b607ae9fd8514a)
        mstore(add(ptr, 0x1c0), 0x2d3a1aea2e6d44466808f88c9ba903d3bdcb6b58ba40441ed4ebcf11bbe1e37b)
        mstore(add(ptr, 0x1e0), 0x0aaa35e2c84baf117dea3e336cd96a39792b3813954fe9bf3ed5b90f2f69c977)
        mstore(add(ptr, 0x200), 0x14ddb5fada0171db80195b9592d8cf2be810930e3ea4574a350d65e2cbff4941)
        mstore(add(ptr, 0x220), 0x2efc2b90d688134849018222e7b8922eaf67ce79816ef468531ec2de53bbd167)
        mstore(add(ptr, 0x240), 0x07f017a7ebd56dd086f7cd4fd710c509ed7ef8e300b9a8bb9fb9f28af710251f)
        mstore(add(ptr, 0x260), 0x14074bb14c982c81c9ad171e4f35fe49b39c4a7a72dbb6d9c98d803bfed65e64)
        mstore(add(ptr, 0x280), 0x251e7fdf99591080080b0af133b9e4369f22e57ace3cd7f64fc6fdbcf38d7da1)
        mstore(add(ptr, 0x2a0), 0x2a70b9f1d4bbccdbc03e17c1d1dcdb02052903dc6609ea6969f661b2eb74c839)
        mstore(add(ptr, 0x2c0), 0x2f69a7198e1fbcc7dea43265306a37ed55b91bff652ad69aa4fa8478970d401d)
        mstore(add(ptr, 0x2e0), 0x0c3f050a6bf5af151981e55e3e1a29a13c3ffa4550bd2514f1afd6c5f721f830)
        mstore(add(ptr, 0x300), 0x2a20e3a4a0e57d92f97c9d6186c6c3ea7c5e55c20146259be2f78c2ccc2e3595)
        mstore(add(ptr, 0x320), 0x218796dd338868e7300732cf5d3925c74c1badd0a32d8b41b96e555ddfe27869)
        mstore(add(ptr, 0x340), 0x2c00d6f19ba9d811ab61885a7b7c0a914c725f1354055ed03bb58f447e49908c)
        mstore(add(ptr, 0x360), 0x22ed2ea51f262e63438030476594768a56ddfba3a1bbf258f8401c4b57ebb5cd)
        mstore(add(ptr, 0x380), 0x0ddc5d939b00e1761d690ff18fdf1effe198d306b104e67acfa93fc09b523620)
        mstore(add(ptr, 0x3a0), 0x05711a778ac7a6c11a262e783871949fd457f8c346bc856ed66ef72d533d46bb)
        mstore(add(ptr, 0x3c0), 0x2503f642cfcb5f06e1a18c68efca3c0672ed26edfc7e6e77513ba7a4c660ab53)
        mstore(add(ptr, 0x3e0), 0x192bbd666b8961a67df87c19c48e94407d35ec010e1ca2e75f33a1ce967a4300)
        mstore(add(ptr, 0x400), 0x21a6d6eb76c31b44880c23259e5f754a34b5d1001bddc577dead9dd6193d36b2)
        mstore(add(ptr, 0x420), 0x1594b5722c857cf63ad49e88fb93c0685295c10f79065c177b343ed6193e51ce)
        mstore(add(ptr, 0x440), 0x226c26c0ce93ec28bd93588e8bbada13a1661e5ab6f270f221387c78ccc23507)
        mstore(add(ptr, 0x460), 0x2c01b6282fad3d37bdc72033b4d8da10494ac283ec74d5e63d72dbe06b4037c6)
        mstore(add(ptr, 0x480), 0x0f7967e168b485c284699f7e83f415b6c46bcfc5b38e23d24f818ea11498dc55)
        mstore(add(ptr, 0x4a0), 0x19f7d0c7bc9d2d124d5652cb8c9ca4a302a1e60ae605d6e16930bc5cfefaeed8)
        mstore(add(ptr, 0x4c0), 0x0cd2690fe22e87766e8d038bdfec70e6c4d9fa6f056ab6667334dbdaba934967)
        mstore(add(ptr, 0x4e0), 0x11efc65359d2d8613c0c58bb757500d94842001635885927e165d706c8d38090)
        mstore(add(ptr, 0x500), 0x172f5e628cc26149dcc488004690cfa55faac52708481fffb3d4cfa3808b4051)
        mstore(add(ptr, 0x520), 0x0ad81cd1f069e7a99ef97532689654a0b670b7d4d4ab71391dfe3d6261108242)
        mstore(add(ptr, 0x540), 0x27a604e0fb1c40c8a109d5a57b3435ff994e3b18c49865b1905fa3b588342ec6)
        mstore(add(ptr, 0x560), 0x1ce8d6dd00e1f2067a6d516b974d8d9662977d0340ae5d97490719858d9a4bae)
        mstore(add(ptr, 0x580), 0x2fb9034dd9f60482ea84e230b6ea2caa0357c168af6221481cda83bf9d5ab25c)
        mstore(add(ptr, 0x5a0), 0x074019237db9fbc928e4fceaf52b9ffe45ead67eab8e238cb18878e6b20b8a6c)
        mstore(add(ptr, 0x5c0), 0x066248cc37056592fad7553c25d1903d31eaf399811611591f59e9428c6796b9)
        mstore(add(ptr, 0x5e0), 0x1b72fcc764c66935dd4fc32b3a5dfe7763e9cd4ec157be5a2d3006f11983824e)
        mstore(add(ptr, 0x600), 0x11558876b14007d6d99e5f83f17c51cf257d85bdaba0b435922cd598f15645fe)
        mstore(add(ptr, 0x620), 0x253d184c28cfde79628f1d98bd614b00ab255913d20ac8acc5dc5f97ff511686)
        mstore(add(ptr, 0x640), 0x14f6ab2c6caef74572f821bb82c4bda12a302be5aeb91ad1562b97b09db427d8)
        mstore(add(ptr, 0x660), 0x25eb304fbdc6590b9c0f06fc441cbb9d0a6a2dc20b2d9fd1c9dea5097994ddc7)
        mstore(add(ptr, 0x680), 0x138ebb16a09dc4788152b058d41a6fdb7231ac51e6c20e2ba7f8fc23789f5042)
        mstore(add(ptr, 0x6a0), 0x29058797bf16eb2375473bffc54ef99074f2f15e727b23b6d668a9b646e06168)
        mstore(add(ptr, 0x6c0), 0x1c4f7cb82fdca0b54cfed1cdd0114d8aa225a325df2e74b644468702483551b5)
        mstore(add(ptr, 0x6e0), 0x0207da9637379529f714ecb391b8679e0e706aa377007317ef46da24e8f9124e)
        mstore(add(ptr, 0x700), 0x10cc3645e0f573abf47d72b894c31a0f01bce7e16555296b08f923424583f659)
        mstore(add(ptr, 0x720), 0x0e328cd973dcabaac60acff004c19db7b2aaade89107d1d5d1db703d2549fe4a)
        mstore(add(ptr, 0x740), 0x13498fd3636a82ceeb6869d5d1fa62ad4928db9ac7d73dfea4546aacf3086796)
        mstore(add(ptr, 0x760), 0x1fabf2cc05d502898a9706ae99c4b772c42c684e75af4da80ce4edacb74f45e0)
        mstore(add(ptr, 0x780), 0x0d1ecfc6e6ec39c56d953ff80bbbe31b5710aa74969d92b87beaf53de7935be3)
        mstore(add(ptr, 0x7a0), 0x1a2f28c9e56eb1392cc3f6a29307706ac002f81359e2026a614c23beeae57e93)
        mstore(add(ptr, 0x7c0), 0x17161a779cbdc8ceaa1209127a3d8a309d18a76a64023c13996de2aafa752748)
        mstore(add(ptr, 0x7e0), 0x1ab99ce7efb579c583bee34969455809ec5682c34fd70283a563f2dd56931837)
        mstore(add(ptr, 0x800), 0x0cbf2889c094e867ae6d5543601d653f108e25d99b0c274c94dd13f5c4601b6b)
        mstore(add(ptr, 0x820), 0x251e7fdf99591080080b0af133b9e4369f22e57ace3cd7f64fc6fdbcf38d7da1)
        mstore(add(ptr, 0x840), 0x2a70b9f1d4bbccdbc03e17c1d1dcdb02052903dc6609ea6969f661b2eb74c839)
        mstore(add(ptr, 0x860), 0x2f69a7198e1fbcc7dea43265306a37ed55b91bff652ad69aa4fa8478970d401d)
        mstore(add(ptr, 0x880), 0x0c3f050a6bf5af151981e55e3e1a29a13c3ffa4550bd2514f1afd6c5f721f830)
        mstore(add(ptr, 0x8a0), 0x2a20e3a4a0e57d92f97c9d6186c6c3ea7c5e55c20146259be2f78c2ccc2e3595)
        mstore(add(ptr, 0x8c0), 0x25fb50b65acf4fb047cbd3b1c17d97c7fe26ea9ca238d6e348550486e91c7765)
        mstore(add(ptr, 0x8e0), 0x08bdd77a1b245ee80f095b15e69f499486228d259e027b114e1578730c12ecb5)
        mstore(add(ptr, 0x900), 0x15e4949f83bcf9dbc4a9e64e81dd754d3fe8cf7b1b8604ea1f8599eac34c18fb)
        mstore(add(ptr, 0x920), 0x2757efa2a4e53913664da7d478fba6f0e6b7c54cd8cc99e856760e412af8d3ca)
        mstore(add(ptr, 0x940), 0)
        mstore(add(ptr, 0x960), 0x293d617d7da72102355f39ebf62f91b06deb5325f367a4556ea1e31ed5767833)
        mstore(add(ptr, 0x980), 0x27051769e1d35debbef78afd6f88fad906fcdb48e998f610387a8a90f5e817e5)
        mstore(add(ptr, 0x9a0), 0x00aec18c9591e9dab5523ccf8821193c291c9d7b7d517a803f6982a627f08be8)
        mstore(add(ptr, 0x9c0), 0x05b654f072ba148e098a340b410cb426074e0c86ccc9b3fa2d56208eb1d4d5bf)
        mstore(add(ptr, 0x9e0), 0)
        mstore(add(ptr, 0xa00), 0x104d0295ab00c85e960111ac25da474366599e575a9b7edf6145f14ba6d3c1c4)
        mstore(add(ptr, 0xa20), 0x27c48a2d2154910cf0cfd5d06bb3712c46be3482a7427aca337f03072840a35d)
        mstore(add(ptr, 0xa40), 0x1fbb107d415f209168263ad25b7d5bbdefc219bd804ab682b137945e601a20e0)
        mstore(add(ptr, 0xa60), 0x119914831798abb777f34dca8bebc23bfca9a059b94f7ded0d9aaa927099efb8)
        mstore(add(ptr, 0xa80), 0)
        mstore(add(ptr, 0xaa0), 0x0aaa35e2c84baf117dea3e336cd96a39792b3813954fe9bf3ed5b90f2f69c977)
        mstore(add(ptr, 0xac0), 0x012eb22c968257f0affa5362a39bc5b4320476988b256e2ecbc57e92044df118)
        mstore(add(ptr, 0xae0), 0x19385c111fc8e429577662e30893a9b6329c98c7bad0dc816175d195ace1d015)
        mstore(add(ptr, 0xb00), 0x26541c9d414c06a8f819cb5240c582eb055cd1186de47c4957ff9dc69bcb2a72)
        mstore(add(ptr, 0xb20), 0)
    }
}
