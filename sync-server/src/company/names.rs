//! What the made-up company draws from.

/// A city with its centre.
pub(super) struct City {
    pub(super) chinese: &'static str,
    pub(super) latin: &'static str,
    pub(super) prefix: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

pub(super) const CITIES: [City; 4] = [
    City {
        chinese: "杭州",
        latin: "Hangzhou",
        prefix: "HZ",
        latitude: 30.2741,
        longitude: 120.1551,
    },
    City {
        chinese: "绍兴",
        latin: "Shaoxing",
        prefix: "SX",
        latitude: 30.0303,
        longitude: 120.5802,
    },
    City {
        chinese: "苏州",
        latin: "Suzhou",
        prefix: "SZ",
        latitude: 31.2989,
        longitude: 120.5853,
    },
    City {
        chinese: "上海",
        latin: "Shanghai",
        prefix: "SH",
        latitude: 31.2304,
        longitude: 121.4737,
    },
];

/// Names with what the person signs in with.
pub(super) const PEOPLE: [(&str, &str); 20] = [
    ("李娜", "li.na"),
    ("王芳", "wang.fang"),
    ("张伟", "zhang.wei"),
    ("陈静", "chen.jing"),
    ("赵强", "zhao.qiang"),
    ("刘洋", "liu.yang"),
    ("孙丽", "sun.li"),
    ("周敏", "zhou.min"),
    ("吴磊", "wu.lei"),
    ("徐杰", "xu.jie"),
    ("林晓梅", "lin.xiaomei"),
    ("高建国", "gao.jianguo"),
    ("Emma Wilson", "emma.wilson"),
    ("David Brown", "david.brown"),
    ("Lucas Martin", "lucas.martin"),
    ("Sofia Rossi", "sofia.rossi"),
    ("Jonas Weber", "jonas.weber"),
    ("Maria Silva", "maria.silva"),
    ("Aisha Khan", "aisha.khan"),
    ("Tom O'Neill", "tom.oneill"),
];

pub(super) const FAMILY_NAMES: [&str; 16] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "沈",
];
pub(super) const GIVEN_NAMES: [&str; 12] = [
    "建华", "秀英", "国强", "桂兰", "志明", "玉梅", "小红", "文斌", "海燕", "德福", "雪", "军",
];
pub(super) const SHOPS: [&str; 10] = [
    "茶行",
    "食品店",
    "粮油行",
    "超市",
    "饭店",
    "酒楼",
    "副食批发部",
    "便利店",
    "面馆",
    "茶馆",
];
pub(super) const STREETS: [&str; 10] = [
    "解放路",
    "中山北路",
    "人民路",
    "建国南路",
    "文化路",
    "新华街",
    "西湖大道",
    "和平路",
    "延安路",
    "庆春路",
];
pub(super) const LATIN_FAMILY: [&str; 14] = [
    "Miller", "Dubois", "Rossi", "Novak", "Garcia", "Hansen", "Kowalski", "Murphy", "Schmidt", "Silva", "Tanaka",
    "Nguyen", "Okafor", "Haddad",
];
pub(super) const LATIN_GIVEN: [&str; 10] = [
    "Anna", "Paul", "Chiara", "Petr", "Lucia", "Erik", "Marta", "Sean", "Hanna", "Joao",
];
pub(super) const LATIN_SHOPS: [&str; 9] = [
    "Deli",
    "Tea Room",
    "& Sons Grocers",
    "Bakery",
    "Trading",
    "Bistro",
    "Market",
    "Food Hall",
    "Coffee House",
];

/// Name, unit, group, and list price in fen before a little of chance.
pub(super) const PRODUCTS: [(&str, &str, &str, i64); 28] = [
    ("西湖龙井 Longjing tea 250 g", "罐", "茶叶 Tea", 16_800),
    ("碧螺春 Biluochun tea 250 g", "罐", "茶叶 Tea", 15_800),
    ("安吉白茶 Anji white tea 100 g", "盒", "茶叶 Tea", 9_800),
    ("祁门红茶 Keemun black tea 250 g", "罐", "茶叶 Tea", 8_800),
    ("茉莉花茶 Jasmine tea 500 g", "袋", "茶叶 Tea", 6_500),
    ("铁观音 Tieguanyin 250 g", "盒", "茶叶 Tea", 9_200),
    ("普洱茶饼 Pu'er cake 357 g", "饼", "茶叶 Tea", 13_500),
    ("东北大米 Rice 10 kg", "袋", "粮油 Staples", 6_900),
    ("小麦粉 Wheat flour 25 kg", "袋", "粮油 Staples", 9_800),
    ("花生油 Peanut oil 5 l", "桶", "粮油 Staples", 11_900),
    ("菜籽油 Rapeseed oil 5 l", "桶", "粮油 Staples", 7_900),
    ("大豆油 Soybean oil 20 l", "桶", "粮油 Staples", 19_800),
    ("白砂糖 Sugar 5 kg", "袋", "粮油 Staples", 3_900),
    ("食用盐 Salt 500 g × 40", "箱", "粮油 Staples", 5_600),
    ("生抽酱油 Light soy sauce 1.9 l × 6", "箱", "调味 Seasoning", 9_900),
    ("老抽酱油 Dark soy sauce 1.9 l × 6", "箱", "调味 Seasoning", 10_500),
    ("镇江香醋 Zhenjiang vinegar 500 ml × 12", "箱", "调味 Seasoning", 8_800),
    ("绍兴黄酒 Shaoxing wine 5 l", "坛", "调味 Seasoning", 5_800),
    ("豆瓣酱 Bean paste 1 kg × 12", "箱", "调味 Seasoning", 12_600),
    ("芝麻油 Sesame oil 500 ml × 12", "箱", "调味 Seasoning", 23_800),
    ("方便面 Instant noodles × 24", "箱", "食品 Food", 5_200),
    ("挂面 Dried noodles 1 kg × 10", "箱", "食品 Food", 4_800),
    ("速冻水饺 Frozen dumplings 1 kg × 10", "箱", "食品 Food", 12_800),
    ("豆腐干 Dried tofu 5 kg", "箱", "食品 Food", 8_600),
    ("笋干 Dried bamboo shoots 2.5 kg", "箱", "食品 Food", 15_500),
    ("矿泉水 Mineral water 550 ml × 24", "箱", "饮料 Drinks", 2_800),
    ("乌龙茶饮料 Oolong drink 500 ml × 15", "箱", "饮料 Drinks", 4_200),
    ("旧款茶礼盒 Old tea gift box", "盒", "茶叶 Tea", 19_900),
];
