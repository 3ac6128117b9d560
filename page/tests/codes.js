// QR codes as another program drew them (zxing-cpp): a row is a number in hex digits, its highest bit on the
// left.

export const CODES = [
    {
        text: "https://relay.example.org/p#2AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        size: 33,
        rows: [
            "1fc44c77f 1048a6241 17526215d 1749b435d 1749c225d 10476b341 1fd55557f 123b900 1df1333c4",
            "108baf849 fd75543b 161defd8a 1e666b9c9 1b3e6d9cd e09cd43 193a2881a 18ed030c3 1107af9e5",
            "19d35dcbb d1dccd3a 11d66bbe3 6865d945 10d08017b c922a9a2 16e5233f8 1bbfb1b 1fd751353 1059eef11",
            "175a6b9f3 17425d831 175c88b3d 105a19b62 1fd101363",
        ],
    },
    {
        text: '{"u":"wss://relay.example.org/ws","s":"3f4ffe2e903d2b0a2734e470a987e39b","k":"3q2-7wABAgME","a":1}',
        size: 41,
        rows: [
            "1fc7b631a7f 104e9453141 1750423535d 175b66ca15d 17552bb175d 105651c7c41 1fd5555557f 12b6c4200",
            "17cd085ed7c 1a9037e1357 1168601edae a20a4a0213 3c9cc7ac26 1d8bc1155b3 1349fec65e4 1b1e97847fa",
            "1dfcf3b9a6 d1daab46d1 12de289a088 8bd1ef2151 5518199c9d 1816666cefd 1574f096c28 1d9370a05b3",
            "1e67ed5ff2e 15a6c7b17d1 1efdfdc7da6 12a1c5d17f8 16e62b2cc2e 1b0b94e03b9 10dbdd0a5ae 10a520970e3",
            "17656859df6 16022c313 1fcf654bf54 1054f212513 175da7f8dfd 175aeaa4e0b 17509592a5c 104a50e41ba",
            "1fd81a4ccfc",
        ],
    },
    {
        text: "HELLO RELAY 0123456789",
        size: 25,
        rows: [
            "1fc607f 1043141 1756b5d 174b75d 1759d5d 1056e41 1fd557f f400 955eb4 1d8607d 17d5f17 eb4b0d",
            "167687b 19a9e4a 2f0eb3 58de0e 1a7cbf5 1411a 1fc735a 1040d17 1753df7 174a235 17470b2 105e3fb",
            "1fcf32d",
        ],
    },
    {
        text: "0123456789012",
        size: 21,
        rows: [
            "1fcb7f 104c41 17555d 17555d 17445d 104e41 1fd57f e00 3630c 20f9d 57d16 130404 11530b 124f",
            "1fdb70 104512 175079 175ad4 174b9b 104ea9 1fc472",
        ],
    },
].map(({ text, size, rows }) => {
    const lines = rows.join(" ").split(" ").map((row) => BigInt(`0x${row}`));
    return { text, size, isDark: (x, y) => ((lines[y] >> BigInt(size - 1 - x)) & 1n) === 1n };
});
