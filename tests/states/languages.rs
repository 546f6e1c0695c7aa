//! Labels, names and dates of documents by language, for drawn documents. Shares no data with the
//! document analyzer.

use std::sync::LazyLock;

/// How a document of a language is printed.
pub(crate) struct Language {
    pub(crate) code: &'static str,
    /// Labels of surname, given names, nationality, date of birth, sex, document number and date of
    /// expiry.
    pub(crate) labels: Vec<&'static str>,
    /// Surname and given names as printed, the same as in the machine-readable zone, and those of a
    /// different person.
    pub(crate) names: [[&'static str; 2]; 3],
    pub(crate) dates: Dates,
}

/// How a date is printed.
pub(crate) enum Dates {
    /// Numbers with this separator.
    Numbers(String),
    /// Month by name, before an English one if the language has its own.
    Months(Vec<&'static str>),
    /// Year first, with this separator.
    YearFirst(String),
}

pub(crate) const ENGLISH_MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// All languages of the table.
pub(crate) static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let lines: Vec<&str> = TEXT.lines().collect();
    lines.chunks(5).map(read).collect()
});

/// Reads a block of [`TEXT`].
fn read(block: &[&'static str]) -> Language {
    let (code, dates) = block[0].split_once(" | ").expect("a block begins with its code");
    let items = |lines: &[&'static str]| -> Vec<&'static str> {
        lines.iter().flat_map(|line| line.trim().split("; ")).collect()
    };
    let names = items(&block[4..]);
    let mark = |mark: &str| mark.replace('_', " ");
    let dates = match dates.split_once(' ') {
        Some(("numbers", separator)) => Dates::Numbers(mark(separator)),
        Some(("year-first", separator)) => Dates::YearFirst(mark(separator)),
        Some((_, months)) => Dates::Months(months.split(',').collect()),
        None => Dates::Months(Vec::new()),
    };
    Language {
        code,
        labels: items(&block[1..4]),
        names: [0, 2, 4].map(|at| [names[at], names[at + 1]]),
        dates,
    }
}

/// Blocks of five lines: code and dates; labels; surname and given names as printed, the same in
/// the zone, and those of a different person. An underscore is a space.
const TEXT: &str = "\
en | months
  Surname; Given names; Nationality
  Date of birth; Sex
  Passport No.; Date of expiry
  HARTWELL; OLIVER JAMES; HARTWELL; OLIVER<JAMES; PRESCOTT; NIGEL
fr | numbers _
  Nom / Surname; Prénoms / Given names; Nationalité / Nationality
  Date de naissance / Date of birth; Sexe / Sex
  Passeport n° / Passport No.; Date d'expiration / Date of expiry
  LEFÈVRE; HÉLÈNE ANAÏS; LEFEVRE; HELENE<ANAIS; DUBOIS; MARGUERITE
frm | numbers /
  Nom / Surname; Prénom(s) / Given names; Nationalité / Nationality
  Date de naissance / Date of birth; Sexe / Sex
  N° du passeport / Passport No.; Date d'expiration / Date of expiry
  TRAORÉ; AÏSSATA; TRAORE; AISSATA; KOUYATÉ; MOUSSA
es | months ENE,FEB,MAR,ABR,MAY,JUN,JUL,AGO,SEP,OCT,NOV,DIC
  Apellidos / Surname; Nombres / Given names; Nacionalidad / Nationality
  Fecha de nacimiento / Date of birth; Sexo / Sex
  Pasaporte N° / Passport No.; Fecha de vencimiento / Date of expiry
  NÚÑEZ GARCÍA; MARÍA JOSÉ; NUNEZ<GARCIA; MARIA<JOSE; BELTRÁN SOTO; RAÚL
pt | numbers /
  Apelido / Surname; Nome / Given names; Nacionalidade / Nationality
  Data de nascimento / Date of birth; Sexo / Sex
  Passaporte N.º / Passport No.; Data de validade / Date of expiry
  GONÇALVES; JOÃO PEDRO; GONCALVES; JOAO<PEDRO; MAGALHÃES; RUI
de | numbers .
  Name / Surname / Nom; Vornamen / Given names / Prénoms; Staatsangehörigkeit / Nationality
  Geburtstag / Date of birth; Geschlecht / Sex / Sexe
  Pass-Nr. / Passport No.; Gültig bis / Date of expiry
  MÜLLER; JÖRG SÖREN; MUELLER; JOERG<SOEREN; SCHÄFER; UWE
it | numbers /
  Cognome / Surname; Nome / Given names; Cittadinanza / Nationality
  Data di nascita / Date of birth; Sesso / Sex
  Passaporto N. / Passport No.; Data di scadenza / Date of expiry
  D'ANNUNZIO; GIOSUÈ; DANNUNZIO; GIOSUE; FERRARI; MARTINO
nl | months JAN,FEB,MRT,APR,MEI,JUN,JUL,AUG,SEP,OKT,NOV,DEC
  Naam / Surname; Voornamen / Given names; Nationaliteit / Nationality
  Geboortedatum / Date of birth; Geslacht / Sex
  Paspoortnummer / Passport No.; Geldig tot / Date of expiry
  VAN DER BERG; WILLEKE; VAN<DER<BERG; WILLEKE; DE VRIES; SASKIA
sv | months
  Efternamn / Surname; Förnamn / Given names; Medborgarskap / Nationality
  Födelsedatum / Date of birth; Kön / Sex
  Passnr / Passport No.; Sista giltighetsdag / Date of expiry
  ÅKESSON; MÄRTA; AAKESSON; MAERTA; LINDQVIST; BIRGITTA
nb | numbers .
  Etternavn / Surname; Fornavn / Given names; Statsborgerskap / Nationality
  Fødselsdato / Date of birth; Kjønn / Sex
  Pass nr. / Passport No.; Utløpsdato / Date of expiry
  SKJØNSBERG; ÅSE; SKJOENSBERG; AASE; HAUGEN; RANDI
da | months JAN,FEB,MAR,APR,MAJ,JUN,JUL,AUG,SEP,OKT,NOV,DEC
  Efternavn / Surname; Fornavn / Given names; Nationalitet / Nationality
  Fødselsdato / Date of birth; Køn / Sex
  Pas nr. / Passport No.; Gyldigt til / Date of expiry
  SØRENSEN; BODIL; SOERENSEN; BODIL; KJÆR; TROELS
fi | numbers .
  Sukunimi / Surname; Etunimet / Given names; Kansalaisuus / Nationality
  Syntymäaika / Date of birth; Sukupuoli / Sex
  Passin numero / Passport No.; Viimeinen voimassaolopäivä / Date of expiry
  HÄMÄLÄINEN; AINO; HAEMAELAEINEN; AINO; KORHONEN; TIMO
is | months
  Kenninafn / Surname; Eiginnafn / Given names; Ríkisfang / Nationality
  Fæðingardagur / Date of birth; Kyn / Sex
  Vegabréf nr. / Passport No.; Gildir til / Date of expiry
  GUÐMUNDSDÓTTIR; ÁSTA; GUDMUNDSDOTTIR; ASTA; STEFÁNSSON; JÓN
et | numbers .
  Perekonnanimi / Surname; Eesnimed / Given names; Kodakondsus / Nationality
  Sünniaeg / Date of birth; Sugu / Sex
  Dokumendi number / Document number; Kehtiv kuni / Date of expiry
  TÄHT; KÜLLI; TAEHT; KUELLI; SAAR; MARJU
lv | numbers .
  Uzvārds / Surname; Vārds / Given names; Pilsonība / Nationality
  Dzimšanas datums / Date of birth; Dzimums / Sex
  Pases Nr. / Passport No.; Derīga līdz / Date of expiry
  BĒRZIŅŠ; JĀNIS; BERZINS; JANIS; KALNIŅŠ; EDGARS
lt | year-first -
  Pavardė / Surname; Vardai / Given names; Pilietybė / Nationality
  Gimimo data / Date of birth; Lytis / Sex
  Paso Nr. / Passport No.; Galioja iki / Date of expiry
  ŽUKAUSKAITĖ; RŪTA; ZUKAUSKAITE; RUTA; PETRAITIS; DOMAS
pl | months STY,LUT,MAR,KWI,MAJ,CZE,LIP,SIE,WRZ,PAŹ,LIS,GRU
  Nazwisko / Surname; Imiona / Given names; Obywatelstwo / Nationality
  Data urodzenia / Date of birth; Płeć / Sex
  Nr paszportu / Passport No.; Termin ważności / Date of expiry
  WIŚNIEWSKA; ŁUCJA; WISNIEWSKA; LUCJA; ZAWADZKI; BOGDAN
cs | numbers .
  Příjmení / Surname; Jméno / Given names; Státní občanství / Nationality
  Datum narození / Date of birth; Pohlaví / Sex
  Číslo pasu / Passport No.; Platnost do / Date of expiry
  DVOŘÁK; JIŘÍ; DVORAK; JIRI; NOVOTNÝ; MILAN
sk | numbers .
  Priezvisko / Surname; Meno / Given names; Štátne občianstvo / Nationality
  Dátum narodenia / Date of birth; Pohlavie / Sex
  Číslo pasu / Passport No.; Platnosť do / Date of expiry
  HORVÁTHOVÁ; ĽUBICA; HORVATHOVA; LUBICA; KOVÁČ; MIROSLAV
hu | months JAN,FEB,MÁR,ÁPR,MÁJ,JÚN,JÚL,AUG,SZEP,OKT,NOV,DEC
  Családi név / Surname; Utónév / Given names; Állampolgárság / Nationality
  Születési idő / Date of birth; Nem / Sex
  Útlevélszám / Passport No.; Érvényességi idő / Date of expiry
  SZÉKELY; ÁGNES; SZEKELY; AGNES; TAKÁCS; FERENC
ro | months
  Nume / Surname; Prenume / Given names; Cetățenie / Nationality
  Data nașterii / Date of birth; Sex
  Nr. pașaport / Passport No.; Data expirării / Date of expiry
  STĂNESCU; ION; STANESCU; ION; GHEORGHIU; DORIN
sl | numbers .
  Priimek / Surname; Ime / Given names; Državljanstvo / Nationality
  Datum rojstva / Date of birth; Spol / Sex
  Št. potnega lista / Passport No.; Datum poteka / Date of expiry
  KOŠIR; ŽIVA; KOSIR; ZIVA; ZUPANČIČ; BORUT
hr | numbers .
  Prezime / Surname; Ime / Given names; Državljanstvo / Nationality
  Datum rođenja / Date of birth; Spol / Sex
  Broj putovnice / Passport No.; Vrijedi do / Date of expiry
  ĐURIĆ; ŠIME; DURIC; SIME; MARKOVIĆ; BRANKO
sq | numbers .
  Mbiemri / Surname; Emri / Given names; Shtetësia / Nationality
  Datëlindja / Date of birth; Gjinia / Sex
  Nr. i pasaportës / Passport No.; Data e skadimit / Date of expiry
  HOXHA; BESA; HOXHA; BESA; KRASNIQI; ILIR
tr | numbers .
  Soyadı / Surname; Adı / Given names; Uyruğu / Nationality
  Doğum tarihi / Date of birth; Cinsiyeti / Sex
  Pasaport No / Passport No.; Son geçerlilik tarihi / Date of expiry
  ÖZTÜRK; IŞIL; OEZTUERK; ISIL; KAPLAN; MEHMET
ru | numbers .
  Фамилия / Surname; Имя / Given names; Гражданство / Nationality
  Дата рождения / Date of birth; Пол / Sex
  Паспорт № / Passport No.; Срок действия / Date of expiry
  IVANOVA; ANNA; IVANOVA; ANNA; PETROVSKIY; OLEG
el | months
  Επώνυμο / Surname; Όνομα / Given names; Ιθαγένεια / Nationality
  Ημερομηνία γέννησης / Date of birth; Φύλο / Sex
  Αρ. διαβατηρίου / Passport No.; Λήξη / Date of expiry
  PAPADOPOULOS; KONSTANTINOS; PAPADOPOULOS; KONSTANTINOS; NIKOLAIDIS; SPYRIDON
id | months
  Nama belakang / Surname; Nama depan / Given names; Kewarganegaraan / Nationality
  Tanggal lahir / Date of birth; Kelamin / Sex
  No. Paspor / Passport No.; Tanggal habis berlaku / Date of expiry
  SANTOSO; BUDI; SANTOSO; BUDI; WIJAYA; AGUS
vi | numbers /
  Họ / Surname; Tên / Given names; Quốc tịch / Nationality
  Ngày sinh / Date of birth; Giới tính / Sex
  Số hộ chiếu / Passport No.; Có giá trị đến / Date of expiry
  NGUYEN; THI LAN; NGUYEN; THI<LAN; PHAM; QUOC BAO
ga | months EAN,FEABH,MÁR,AIB,BEAL,MEI,IÚIL,LÚN,M FÓ,D FÓ,SAMH,NOLL
  Sloinne / Surname; Réamhainm / Forename; Náisiúntacht / Nationality
  Dáta breithe / Date of birth; Gnéas / Sex
  Pas uimh. / Passport No.; As feidhm / Date of expiry
  O'SULLIVAN; SIOBHÁN; OSULLIVAN; SIOBHAN; KEOGH; DECLAN
mt | numbers _
  Kunjom / Surname; Isem / Given names; Ċittadinanza / Nationality
  Data tat-twelid / Date of birth; Sess / Sex
  Passaport Nru / Passport No.; Data tal-għeluq / Date of expiry
  BORG; ĠORĠ; BORG; GORG; ZAMMIT; KARMNU
ca | numbers /
  Cognoms / Surname; Noms / Given names; Nacionalitat / Nationality
  Data de naixement / Date of birth; Sexe / Sex
  Passaport núm. / Passport No.; Data de caducitat / Date of expiry
  PUIGDOMÈNECH; JORDI; PUIGDOMENECH; JORDI; FERRER; ARNAU
az | numbers .
  Soyadı / Surname; Adı / Given names; Vətəndaşlığı / Nationality
  Doğum tarixi / Date of birth; Cinsi / Sex
  Pasportun № / Passport No.; Bitmə tarixi / Date of expiry
  ALIYEVA; LEYLA; ALIYEVA; LEYLA; HUSEYNOV; RASHAD
ar | numbers /
  Surname; Given names; Nationality
  Date of birth; Sex
  Passport No.; Date of expiry
  AL HASHIMI; YOUSEF KHALID; AL<HASHIMI; YOUSEF<KHALID; BAKR; OMAR
zh | months
  Surname; Given names; Nationality
  Date of birth; Sex
  Passport No.; Date of expiry
  LI; XIAOMING; LI; XIAOMING; ZHAO; WENJUN
";
